/** The stages of a Dockerfile, and which of them a target needs. */
import { UserError } from "../base/errors.ts";
import { BuildError, located } from "./build_error.ts";
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

/** The stages with a name that one before them has. */
export function namesakes(stages: readonly Stage[]): Stage[] {
  const names = new Set<string>();
  return stages.filter(({ from: { name } }) => {
    const isTaken = name !== undefined && names.has(name);
    if (name !== undefined) names.add(name);
    return isTaken;
  });
}

/** Cuts instructions into stages. Throws DockerfileError. */
export function cutStages(instructions: readonly Instruction[]): Stages {
  const globals: (ArgInstruction & Instruction)[] = [];
  const stages: { index: number; from: FromInstruction & Instruction; steps: Instruction[] }[] = [];
  for (const instruction of instructions) {
    const { line } = instruction;
    if (instruction.kind === "from") {
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

/**
 * The stage whose files `--from` means in a stage: the last of that name before it, or one behind
 * it; undefined: an image. Throws UserError with docker's texts.
 */
export function sourceStage(
  stages: readonly Stage[],
  name: string,
  own: Stage,
): Stage | undefined {
  if (!/^\d+$/.test(name)) {
    return findStage(stages, name, own.index) ?? findStage(stages.slice(own.index), name);
  }
  const index = Number(name);
  if (index === own.index) {
    throw new UserError(`invalid from flag value ${name}: refers to current build stage`);
  }
  if (index >= stages.length) {
    throw new UserError(`invalid from flag value ${name}: index out of bounds`);
  }
  return stages[index];
}

/** The `from` of each `--mount` of a RUN. */
function mountSources(instruction: Instruction): string[] {
  if (instruction.kind !== "run") return [];
  return (instruction.flags.mount ?? []).flatMap((text) =>
    text.split(",").flatMap((part) => /^from=(.+)$/.exec(part)?.[1] ?? [])
  );
}

/** The stages that the steps of a stage copy or mount from. */
function sourcesOf(stages: readonly Stage[], stage: Stage): Stage[] {
  return stage.steps.flatMap((step) => {
    const from = step.kind === "copy" ? step.flags.from : undefined;
    try {
      return [...(from === undefined ? [] : [from]), ...mountSources(step)]
        .flatMap((name) => sourceStage(stages, name, stage) ?? []);
    } catch (error) {
      throw located(error, step);
    }
  });
}

/**
 * The stages that `target` stands on or copies from, and itself, each behind those that it needs.
 * `imageOf` is what a stage's FROM means with its variables replaced; one that is replaced as a
 * whole needs no other. Throws BuildError.
 */
export function neededStages(
  stages: readonly Stage[],
  target: Stage,
  imageOf: (stage: Stage) => string,
  isReplaced: (stage: Stage) => boolean = () => false,
): Stage[] {
  const needs = new Map<Stage, readonly Stage[]>();
  const visit = (stage: Stage, above: readonly Stage[]): void => {
    if (above.includes(stage)) {
      const why = `circular dependency detected on stage: ${stageName(stage)}`;
      throw new BuildError(why, stage.from.line);
    }
    if (needs.has(stage)) return;
    const others = isReplaced(stage)
      ? []
      : [...baseOf(stages, stage, imageOf(stage)), ...sourcesOf(stages, stage)];
    for (const other of others) visit(other, [...above, stage]);
    needs.set(stage, others);
  };
  visit(target, []);
  return inOrder(needs);
}

/** The stage that FROM means, if it is one; a number is the name of an image. */
function baseOf(stages: readonly Stage[], { index }: Stage, image: string): Stage[] {
  const found = /^\d+$/.test(image) ? undefined : findStage(stages, image, index);
  return found === undefined ? [] : [found];
}

/** As they stand in the file, but each behind those that it needs. */
function inOrder(needs: ReadonlyMap<Stage, readonly Stage[]>): Stage[] {
  const waiting = [...needs.keys()].sort((a, b) => a.index - b.index);
  const done: Stage[] = [];
  while (waiting.length > 0) {
    const at = waiting.findIndex((stage) => needs.get(stage)!.every((one) => done.includes(one)));
    done.push(...waiting.splice(at, 1));
  }
  return done;
}
