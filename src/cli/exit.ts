import { escapeLines } from "../base/controls.ts";
import { firstError, isFileError, messageOf, UserError } from "../base/errors.ts";
import { HelpRequest, UsageError } from "./args.ts";

/** Shown when the reader of our output went away: 128 + SIGPIPE, as a shell reports docker's. */
const BROKEN_PIPE_CODE = 141;

async function usageText(error: UsageError, path: string): Promise<string> {
  const { usageLines } = await import("./help.ts");
  let meant = "";
  if (error.unknownFlag !== undefined) {
    const { didYouMean } = await import("../base/suggest.ts");
    const names = Object.entries(error.spec.flags).filter(([, flag]) =>
      !flag.hidden && flag.deprecated === undefined
    ).map(([name]) => name);
    meant = didYouMean(error.unknownFlag, names, "--");
  }
  const full = `diplodock ${path}`;
  return `${error.describe(full)}\n\n${meant}${usageLines(error.spec, path)}\n\n` +
    `${error.trailer} '${full} --help' for more information`;
}

/** Names of errors that only a mistake in the program throws. */
const BUGS = new Set([
  "Error",
  "TypeError",
  "RangeError",
  "ReferenceError",
  "SyntaxError",
  "URIError",
  "AggregateError",
  "BadResource",
  "InvalidData",
]);

/**
 * Whether an error tells of the world and not of a bug: SyscallError, RegistryError, those of
 * Deno's file calls. Told by name: importing the classes would load the kernel boundary and the
 * registry for nothing.
 */
function isExpected(error: Error): boolean {
  return !BUGS.has(error.name) || isFileError(error);
}

/** The text on stderr and the exit code for an error. `path`: the command as it was called. */
export async function describe(
  thrown: unknown,
  path: string,
  debug = false,
): Promise<{ text: string; code: number }> {
  const error = firstError(thrown);
  const stack = error instanceof Error && debug ? `\n${error.stack}` : "";
  if (error instanceof UsageError) {
    return { text: escapeLines(await usageText(error, path)) + stack, code: error.exitCode };
  }
  if (error instanceof UserError) {
    const hint = error.hint === undefined ? "" : ` (${error.hint})`;
    return { text: escapeLines(error.message + hint) + stack, code: error.exitCode };
  }
  if (error instanceof Error && isExpected(error)) {
    const code = (error as { exitCode?: number }).exitCode ?? 1;
    return { text: escapeLines(messageOf(error)) + stack, code };
  }
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const more = debug ? stack : "; DIPLODOCK_DEBUG=1 shows where";
  return {
    text: escapeLines(`diplodock: internal error: ${what}`) +
      `\nThis is a bug in Diplodock${more}`,
    code: path === "run" || path === "container run" ? 125 : 1,
  };
}

/** Prints an error (or the help page that was asked for) and returns the exit code. */
export async function report(error: unknown, path: string): Promise<number> {
  if (error instanceof HelpRequest) {
    if (error.notice !== undefined) console.error(error.notice);
    const { helpPage } = await import("./help.ts");
    let columns = 80;
    if (Deno.stdout.isTerminal()) columns = Math.max(40, Deno.consoleSize().columns || 80);
    await Deno.stdout.write(new TextEncoder().encode(helpPage(error.spec, path, columns)));
    return 0;
  }
  if (error instanceof Deno.errors.BrokenPipe) return BROKEN_PIPE_CODE;
  const { text, code } = await describe(error, path, Deno.env.get("DIPLODOCK_DEBUG") === "1");
  console.error(text);
  return code;
}
