/** The stages of a Dockerfile, and which of them a target needs. */
import { UserError } from "../base/errors.ts";
import { DockerfileError } from "./dockerfile.ts";
import type { ArgInstruction, FromInstruction, Instruction } from "./instruction.ts";

/** A FROM with all that follows it. */
export interface Stage {
  readonly index: number;
  readonly from: FromInstruction & Instruction;
  readonly steps: readonly Instruction[];
}

/** A Dockerfile cut at its FROMs. */
export interface Stages {
  /** The ARGs before the first FROM. */
  readonly globals: readonly (ArgInstruction & Instruction)[];
  readonly stages: readonly Stage[];
}

/** How a stage is called: `AS name`, or by its number. */
export function stageName({ from, index }: Stage): string {
  return from.name ?? `stage-${index}`;
}

/** Cuts instructions into stages. Throws DockerfileError. */
export function cutStages(instructions: readonly Instruction[]): Stages {
  const globals: (ArgInstruction & Instruction)[] = [];
  const stages: { index: number; from: FromInstruction & Instruction; steps: Instruction[] }[] = [];
  for (const instruction of instructions) {
    const { line } = instruction;
    if (instruction.kind === "from") {
      const same = stages.some(({ from }) =>
        from.name !== undefined && from.name === instruction.name
      );
      if (same) {
        throw new DockerfileError(
          `duplicate name ${instruction.name}`,
          line.first,
          line.last,
        );
      }
      stages.push({ index: stages.length, from: instruction, steps: [] });
    } else if (stages.length > 0) stages.at(-1)!.steps.push(instruction);
    else if (instruction.kind === "arg") globals.push(instruction);
    else throw new DockerfileError("no build stage in current context", line.first, line.last);
  }
  if (stages.length === 0) throw new DockerfileError("dockerfile contains no stages to build");
  return { globals, stages };
}

/** The stage that a name or number means, among those before `limit`. */
export function findStage(
  stages: readonly Stage[],
  name: string,
  limit = stages.length,
): Stage | undefined {
  const before = stages.slice(0, limit);
  const named = before.findLast(({ from }) => from.name === name.toLowerCase());
  if (named !== undefined || !/^\d+$/.test(name)) return named;
  return before[Number(name)];
}

/** The stage to build. Throws UserError with docker's text. */
export function targetStage(stages: readonly Stage[], target: string | undefined): Stage {
  if (target === undefined || target === "") return stages.at(-1)!;
  const found = findStage(stages, target);
  if (found !== undefined) return found;
  throw new UserError(`target stage "${target}" could not be found`);
}

/** The `from` of each `--mount` of a RUN. */
function mountSources(instruction: Instruction): string[] {
  if (instruction.kind !== "run") return [];
  return (instruction.flags.mount ?? []).flatMap((text) =>
    text.split(",").flatMap((part) => /^from=(.+)$/.exec(part)?.[1] ?? [])
  );
}

/** What the steps of a stage copy or mount from: names of stages, or of images. */
export function sourcesOf(stage: Stage): string[] {
  return stage.steps.flatMap((step) => {
    if (step.kind === "copy" && step.flags.from !== undefined) return [step.flags.from];
    return mountSources(step);
  });
}

/**
 * The stages that `target` stands on or copies from, and itself, in order. `imageOf` is what a
 * stage's FROM means with its variables replaced; one that is `replaced` needs no other.
 */
export function neededStages(
  stages: readonly Stage[],
  target: Stage,
  imageOf: (stage: Stage) => string,
  isReplaced: (stage: Stage) => boolean = () => false,
): Stage[] {
  const needed = new Set<Stage>();
  const visit = (stage: Stage): void => {
    if (needed.has(stage)) return;
    needed.add(stage);
    if (isReplaced(stage)) return;
    for (const name of [imageOf(stage), ...sourcesOf(stage)]) {
      const other = findStage(stages, name, stage.index);
      // A number as the base is the name of an image.
      if (other !== undefined && !(name === imageOf(stage) && /^\d+$/.test(name))) visit(other);
    }
  };
  visit(target);
  return [...needed].sort((a, b) => a.index - b.index);
}
