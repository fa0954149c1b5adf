import { COMMANDS, GROUPS, groupVerbs, type Request, resolve } from "./commands.ts";
import { UserError } from "../base/errors.ts";

type FrontRequest = Exclude<Request, { kind: "command" }>;

/** Throws the error of a word that is no command, with what it may have been meant to be. */
async function unknown(path: string, word: string, names: string[]): Promise<never> {
  const { didYouMean } = await import("../base/suggest.ts");
  const full = `diplodock ${path}`.trimEnd();
  const usage = path === "" ? "" : `Usage:  ${full}${verbOf(path)}\n\n`;
  throw new UserError(
    `diplodock: unknown command: ${full} ${word}\n\n${didYouMean(word, names, full + " ")}` +
      `${usage}Run '${full} --help' for more information`,
  );
}

/** One of docker's groups names its verb in short usage lines too. */
function verbOf(group: string): string {
  return group === "volume" ? " COMMAND" : "";
}

function flagError(line: string, path: string): UserError {
  const full = `diplodock ${path}`.trimEnd();
  const usage = path === "" ? `${full} [OPTIONS] COMMAND [ARG...]` : full + verbOf(path);
  return new UserError(
    `${line}\n\nUsage:  ${usage}\n\nRun '${full} --help' for more information`,
    125,
  );
}

/** `diplodock help [COMMAND...]`: the same page as with --help. */
async function help(words: string[]): Promise<number> {
  const request = resolve(words);
  if (request.kind === "command") {
    const { spec } = await request.row.load();
    const { helpPage } = await import("./help.ts");
    if (spec === undefined) console.log(request.row.summary);
    else await write(helpPage(spec, request.path));
    return 0;
  }
  if (request.kind === "front" && words.length > 0) {
    throw new UserError(`unknown help topic: ${words.join(" ")}`);
  }
  return await front({ ...request, rest: [] }, true);
}

/** A page that was asked for is a result; one shown for want of a verb is not. */
async function write(page: string, stream: typeof Deno.stdout = Deno.stdout): Promise<void> {
  await stream.write(new TextEncoder().encode(page));
}

/**
 * Does what is no command: the pages of the program and of its groups, `help`, --version, and
 * the errors of unknown words and flags. `wasAsked`: a page goes to stdout. The exit code.
 */
export async function front(request: FrontRequest, wasAsked = false): Promise<number> {
  const { path, rest: [word, ...more] } = request;
  if (word === undefined || word === "--help" || word === "-h") {
    const { frontPage, groupPage } = await import("./help.ts");
    const page = request.kind === "group" ? groupPage(path) : frontPage();
    await write(page, word === undefined && !wasAsked ? Deno.stderr : Deno.stdout);
    return 0;
  }
  if (word === "help") return await help(request.kind === "group" ? [path, ...more] : more);
  if (request.kind === "front" && (word === "--version" || word === "-v")) {
    const { COMMIT, VERSION } = await import("../base/version.ts");
    console.log(`Diplodock version ${VERSION}, build ${COMMIT}`);
    return 0;
  }
  if (word.startsWith("--")) throw flagError(`unknown flag: ${word.split("=")[0]}`, path);
  if (word.startsWith("-") && word.length > 1) {
    throw flagError(`unknown shorthand flag: '${word[1]}' in ${word}`, path);
  }
  const names = request.kind === "group"
    ? groupVerbs(path).map(([verb]) => verb)
    : [...Object.keys(COMMANDS), ...Object.keys(GROUPS)].filter((name) => !/[_ ]/.test(name));
  return await unknown(path, word, names);
}
