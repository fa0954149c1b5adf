/**
 * `diplodock __complete WORD...`: what may stand in place of the last word. The shell scripts
 * (completion.ts) call it, so completion knows every flag table and every object that exists.
 *
 * Output: one candidate a line, with a tab before its description; a last line `:file`,
 * `:directory` or `:none` says what the shell adds by itself. Behind a candidate that ends in a
 * colon the word goes on: no blank follows.
 */
import type { CommandSpec, Completion, Flag } from "./args.ts";
import { type CommandModule, COMMANDS, GROUPS, groupVerbs, resolve } from "./commands.ts";

/** A word and what it is. */
export type Candidate = readonly [word: string, description: string];

/** Where the names of objects come from. */
export interface Names {
  containerNames(running: boolean): string[];
  imageNames(): Promise<string[]>;
  volumeNames(): Promise<string[]>;
  networkNames(): Promise<string[]>;
}

export interface Completed {
  readonly candidates: readonly Candidate[];
  readonly files: "file" | "directory" | "none";
}

const NOTHING: Completed = { candidates: [], files: "none" };

async function objects(kind: Completion, names: () => Promise<Names>): Promise<Completed> {
  if (kind === "file" || kind === "directory") return { candidates: [], files: kind };
  if (typeof kind !== "string") {
    return { candidates: kind.map((word) => [word, ""]), files: "none" };
  }
  const from = await names();
  if (kind === "place") {
    const places = from.containerNames(false).sort().map((
      name,
    ): Candidate => [`${name}:`, "container"]);
    return { candidates: places, files: "file" };
  }
  const words = kind === "container"
    ? from.containerNames(false)
    : kind === "running"
    ? from.containerNames(true)
    : kind === "image"
    ? await from.imageNames()
    : kind === "volume"
    ? await from.volumeNames()
    : await from.networkNames();
  return { candidates: words.sort().map((word) => [word, kind]), files: "none" };
}

const firstLine = (text = "") => text.split("\n")[0];

function flagCandidates(spec: CommandSpec): Candidate[] {
  const shown = Object.entries(spec.flags).filter(([, flag]) =>
    !flag.hidden && flag.deprecated === undefined
  );
  const flags = shown.map(([name, flag]): Candidate => ["--" + name, firstLine(flag.help)]);
  return [...flags.sort(([a], [b]) => a < b ? -1 : 1), ["--help", "Print usage"]];
}

/** The flag that takes the next word as its value, if `word` ends in one. */
function waitingFlag(spec: CommandSpec, word: string): Flag | undefined {
  if (!/^-[^-]|^--[^-]/.test(word) || word.includes("=")) return undefined;
  let flag: Flag | undefined;
  if (word.startsWith("--")) {
    flag = Object.hasOwn(spec.flags, word.slice(2)) ? spec.flags[word.slice(2)] : undefined;
  } else {
    const shorts = Object.values(spec.flags);
    for (const [i, letter] of [...word.slice(1)].entries()) {
      flag = shorts.find((one) => one.short === letter);
      if (flag === undefined || flag.type === "bool") continue;
      // A letter that takes a value takes what stands behind it in the same word.
      return i === word.length - 2 ? flag : undefined;
    }
  }
  if (flag?.alias !== undefined) flag = spec.flags[flag.alias];
  return flag === undefined || flag.type === "bool" || flag.bare !== undefined ? undefined : flag;
}

/** Where the cursor is among the words of a command. */
function position(spec: CommandSpec, words: readonly string[]) {
  let count = 0;
  for (let i = 0; i < words.length; i++) {
    if (words[i] === "--") return { count: count + words.length - i - 1, ended: true };
    if (words[i].startsWith("-") && words[i].length > 1) {
      const waiting = waitingFlag(spec, words[i]);
      if (waiting !== undefined && ++i === words.length) return { count, ended: false, waiting };
    } else {
      count++;
      if (spec.flagsEnd === "first") return { count: count + words.length - i - 1, ended: true };
    }
  }
  return { count, ended: false };
}

async function ofCommand(
  spec: CommandSpec,
  words: readonly string[],
  current: string,
  names: () => Promise<Names>,
): Promise<Completed> {
  const { count, ended, waiting } = position(spec, words);
  if (waiting !== undefined) return await objects(waiting.complete ?? [], names);
  if (!ended && current.startsWith("-")) {
    const equals = current.indexOf("=");
    const flag = equals < 0 ? undefined : spec.flags[current.slice(2, equals)];
    if (flag?.complete === undefined) {
      return { candidates: equals < 0 ? flagCandidates(spec) : [], files: "none" };
    }
    const { candidates } = await objects(flag.complete, names);
    const head = current.slice(0, equals + 1);
    return { candidates: candidates.map(([word, text]) => [head + word, text]), files: "none" };
  }
  if (count >= spec.args[1] || spec.complete === undefined) return NOTHING;
  return await objects(spec.complete[Math.min(count, spec.complete.length - 1)] ?? [], names);
}

/** What may stand in place of the last of `words`, which are those behind the program's name. */
export async function complete(
  words: readonly string[],
  names: () => Promise<Names>,
): Promise<Completed> {
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const fitting = ({ candidates, files }: Completed): Completed => ({
    candidates: candidates.filter(([word]) => word.startsWith(current)),
    files,
  });
  const request = resolve(before);
  if (request.kind === "command") {
    const { spec }: CommandModule = await request.row.load();
    if (spec === undefined) return NOTHING;
    return fitting(await ofCommand(spec, request.rest, current, names));
  }
  if (request.kind === "group" && before.length === 1) {
    const verbs = groupVerbs(request.path).map(([verb, row]): Candidate => [verb, row.summary]);
    return fitting({ candidates: verbs, files: "none" });
  }
  if (before.length > 0) return NOTHING;
  const commands = Object.entries(COMMANDS)
    .filter(([name, row]) => !name.includes(" ") && row.section !== "hidden")
    .map(([name, row]): Candidate => [name, row.summary]);
  const groups = Object.entries(GROUPS)
    .filter(([name]) => groupVerbs(name).length > 0)
    .map(([name, group]): Candidate => [name, group.summary]);
  const flags: Candidate[] = [["--help", "Print usage"], ["--version", "Print version"]];
  const all = [...commands, ...groups].sort(([a], [b]) => a < b ? -1 : 1);
  return fitting({ candidates: current.startsWith("-") ? flags : all, files: "none" });
}

/** `diplodock __complete`. A completion that fails completes nothing: no text in the prompt. */
export async function command(args: string[]): Promise<number> {
  const { escapeControls, writeOut } = await import("./output.ts");
  try {
    // The scripts put "--" before the words.
    const words = args[0] === "--" ? args.slice(1) : args;
    const found = await complete(words, () => import("../engine/object_names.ts"));
    const lines = found.candidates.map(([word, text]) =>
      escapeControls(word) + (text === "" ? "" : "\t" + escapeControls(text))
    );
    await writeOut([...lines, `:${found.files}`].join("\n") + "\n");
    return 0;
  } catch (error) {
    if (Deno.env.get("DIPLODOCK_DEBUG") === "1") throw error;
    return 1;
  }
}
