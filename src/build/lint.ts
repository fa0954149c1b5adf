/**
 * What docker's build checks find in a Dockerfile that can be told from its text alone.
 * Source: Docker docs, "Build checks"; names of rules and texts are docker's.
 */
import { UserError } from "../base/errors.ts";
import { readDockerfile } from "./dockerfile.ts";
import { type FromInstruction, type Instruction, parseDockerfile } from "./instruction.ts";
import { PLATFORM_ARGS } from "./scope.ts";
import { cutStages, namesakes, type Stage, type Stages } from "./stages.ts";

/** One finding, with the lines that it is about. */
export interface Finding {
  readonly rule: string;
  readonly text: string;
  readonly first: number;
  readonly last: number;
}

/** A Dockerfile as the rules see it. */
interface Checked extends Stages {
  readonly instructions: readonly Instruction[];
  /** The lines of the file. */
  readonly lines: readonly string[];
}

type Found = readonly [text: string, at: Instruction];
type Rule = (checked: Checked) => Iterable<Found>;

const SECRET = /(?:^|_)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
const PUBLIC = /(?:^|_)public(?:_|$)/i;

/** The word of an instruction as it is spelled. */
function spelled({ lines }: Checked, { line }: Instruction): string {
  return /^\s*(\S*)/.exec(lines[line.first - 1])![1];
}

const isUpper = (word: string): boolean => word === word.toUpperCase();

function fromParts({ stages }: Checked): [FromInstruction & Instruction, string][] {
  return stages.map(({ from }) => [from, from.line.rest]);
}

const RULES: Record<string, Rule> = {
  *StageNameCasing(checked) {
    for (const [from, rest] of fromParts(checked)) {
      const name = /\sas\s+(\S+)\s*$/i.exec(rest)?.[1];
      if (name === undefined || name === name.toLowerCase()) continue;
      yield [`Stage name '${name}' should be lowercase`, from];
    }
  },
  *FromAsCasing(checked) {
    for (const [from, rest] of fromParts(checked)) {
      const word = /\s(as)\s+\S+\s*$/i.exec(rest)?.[1];
      const own = spelled(checked, from);
      if (word === undefined || isUpper(word) === isUpper(own)) continue;
      yield [`'${word}' and '${own}' keywords' casing do not match`, from];
    }
  },
  *NoEmptyContinuation({ instructions, lines }) {
    for (const instruction of instructions) {
      const { first, last, heredocs } = instruction.line;
      const own = heredocs.length > 0 ? [] : lines.slice(first, last);
      if (own.some((text) => text.trim() === "")) yield ["Empty continuation line", instruction];
    }
  },
  *ConsistentInstructionCasing(checked) {
    const all = checked.instructions.map((one) => [one, spelled(checked, one)] as const);
    const upper = all.filter(([, word]) => isUpper(word)).length;
    const wantsUpper = upper * 2 >= all.length;
    for (const [one, word] of all) {
      const isFine = wantsUpper ? isUpper(word) : word === word.toLowerCase();
      if (isFine) continue;
      const wanted = wantsUpper ? "uppercase" : "lowercase";
      yield [`Command '${word}' should match the case of the command majority (${wanted})`, one];
    }
  },
  *DuplicateStageName({ stages }) {
    for (const { from } of namesakes(stages)) {
      yield [`Duplicate stage name '${from.name}', stage names should be unique`, from];
    }
  },
  *ReservedStageName({ stages }) {
    for (const { from } of stages) {
      if (from.name !== "scratch" && from.name !== "context") continue;
      yield [`Stage name should not use the same name as reserved stage "${from.name}"`, from];
    }
  },
  *JSONArgsRecommended({ stages }) {
    for (const step of stages.flatMap((stage) => stage.steps)) {
      if ((step.kind !== "cmd" && step.kind !== "entrypoint") || step.command.form === "exec") {
        continue;
      }
      yield [
        `JSON arguments recommended for ${step.line.name} to prevent unintended behavior ` +
        "related to OS signals",
        step,
      ];
    }
  },
  *MaintainerDeprecated({ instructions }) {
    for (const one of instructions) {
      if (one.kind === "maintainer") {
        yield ["Maintainer instruction is deprecated in favor of using label", one];
      }
    }
  },
  *UndefinedArgInFrom({ stages, globals }) {
    const known = new Set(globals.flatMap(({ args }) => args.map(({ name }) => name)));
    for (const { from } of stages) {
      for (const [, name] of from.image.matchAll(/\$\{?(\w+)/g)) {
        if (known.has(name) || PLATFORM_ARGS.includes(name)) continue;
        yield [`FROM argument '${name}' is not declared`, from];
      }
    }
  },
  *WorkdirRelativePath({ stages }) {
    for (const stage of stages) {
      const first = stage.steps.find(({ kind }) => kind === "workdir");
      if (first?.kind !== "workdir" || /^["']?[/$]/.test(first.text)) continue;
      yield [
        `Relative workdir "${first.text}" can have unexpected results if the base image changes`,
        first,
      ];
    }
  },
  *MultipleInstructionsDisallowed({ stages }) {
    for (const stage of stages) yield* repeated(stage);
  },
  *LegacyKeyValueFormat({ instructions }) {
    for (const one of instructions) {
      if ((one.kind !== "env" && one.kind !== "label") || !/^[^\s="']+\s/.test(one.line.rest)) {
        continue;
      }
      const { name } = one.line;
      yield [
        `"${name} key=value" should be used instead of legacy "${name} key value" format`,
        one,
      ];
    }
  },
  *RedundantTargetPlatform({ stages }) {
    for (const { from } of stages) {
      if (!/^\$\{?TARGETPLATFORM\}?$/.test(from.platform ?? "")) continue;
      yield [
        `Setting platform to predefined ${from.platform} in FROM is redundant as this is the ` +
        "default behavior",
        from,
      ];
    }
  },
  *FromPlatformFlagConstDisallowed({ stages }) {
    for (const { from } of stages) {
      if (from.platform === undefined || from.platform.includes("$")) continue;
      yield [`FROM --platform flag should not use constant value "${from.platform}"`, from];
    }
  },
  *SecretsUsedInArgOrEnv({ stages }) {
    for (const step of stages.flatMap((stage) => stage.steps)) {
      const names = step.kind === "env"
        ? step.pairs.map(([name]) => name)
        : step.kind === "arg"
        ? step.args.map(({ name }) => name)
        : [];
      for (const name of names) {
        if (!SECRET.test(name) || PUBLIC.test(name)) continue;
        const text = `Do not use ARG or ENV instructions for sensitive data (${step.line.name} `;
        yield [`${text}"${name}")`, step];
      }
    }
  },
};

function* repeated({ steps }: Stage): Generator<Found> {
  for (const kind of ["cmd", "healthcheck", "entrypoint"]) {
    for (const one of steps.filter((step) => step.kind === kind).slice(0, -1)) {
      yield [
        `Multiple ${one.line.name} instructions should not be used in the same stage because ` +
        "only the last one will be used",
        one,
      ];
    }
  }
}

/** What `# check=skip=A,B;error=true` says; rules in small letters, "all": every one. */
function directiveIn(lines: readonly string[]): { skipped: string[]; isStrict: boolean } {
  const fields = new Map<string, string>();
  for (const line of lines) {
    if (!/^#\s*\w+\s*=/.test(line)) break;
    const parts = /^#\s*check\s*=\s*(.*)$/i.exec(line)?.[1].split(";") ?? [];
    for (const part of parts) {
      const [key, value = ""] = part.split("=", 2);
      fields.set(key.trim().toLowerCase(), value.trim());
    }
  }
  const skip = fields.get("skip")?.split(",") ?? [];
  return {
    skipped: skip.map((name) => name.trim().toLowerCase()),
    isStrict: /^(?:1|true)$/i.test(fields.get("error") ?? ""),
  };
}

/** Throws UserError if a Dockerfile asks for its checks to be kept, and they are not. */
export function checkStrict(text: string): void {
  if (!directiveIn(linesOf(text)).isStrict) return;
  const findings = lint(text);
  if (findings.length === 0) return;
  const rules = [...new Set(findings.map(({ rule }) => rule))];
  throw new UserError(
    `lint violation found for rules: ${rules.join(", ")}; build --check shows them`,
  );
}

function linesOf(text: string): string[] {
  return text.replace(/^\uFEFF/, "").split(/\r?\n/);
}

/** What the checks find, in the order of the lines. Throws DockerfileError. */
export function lint(text: string): Finding[] {
  const dockerfile = readDockerfile(text);
  const instructions = parseDockerfile(dockerfile);
  const lines = linesOf(text);
  const checked = { instructions, lines, ...cutStages(instructions) };
  const { skipped } = directiveIn(lines);
  if (skipped.includes("all")) return [];
  const findings = Object.entries(RULES)
    .filter(([rule]) => !skipped.includes(rule.toLowerCase()))
    .flatMap(([rule, find]) =>
      [...find(checked)].map(([text, { line: { first, last } }]) => ({ rule, text, first, last }))
    );
  return findings.sort((a, b) => a.first - b.first);
}
