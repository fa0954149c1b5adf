/** The words for a build that failed: docker's, with the lines of the Dockerfile. */
import { firstError, messageOf, UserError } from "../base/errors.ts";
import { escapeLines } from "../base/controls.ts";
import type { BuildError } from "../build/build_error.ts";
import { classicFailure } from "../build/classic_output.ts";
import { isImageRefusal, isRefusal } from "../engine/refusal.ts";
import type { BuildDisplay } from "./build_progress.ts";

/** Where an error is; members of those that know. */
interface Place {
  readonly first?: number;
  readonly last?: number;
}

/** What to throw instead of `thrown`; what leads to it is printed. */
export function buildFailure(
  thrown: unknown,
  display: BuildDisplay,
  dockerfile: { name: string; text: string } | undefined,
  isClassic: boolean,
): unknown {
  const error = firstError(thrown);
  if (!isRefusal(error) && !isImageRefusal(error)) return error;
  const message = messageOf(error).replace(/^Error response from daemon: /, "");
  if (isClassic) {
    const { instruction } = error as Partial<BuildError>;
    const { code, message: text } = classicFailure(message, instruction);
    // What a step says comes in the stream of the answer, the rest is the answer itself.
    return new UserError(
      instruction === undefined ? `Error response from daemon: ${text}` : text,
      code ?? 1,
    );
  }
  if (display.failure !== undefined) {
    const { title, lines } = display.failure;
    const text = ["------", ` > ${title}:`, ...lines, "------"].join("\n");
    console.error(escapeLines(text));
  }
  const { first, last = first } = error as Place;
  if (dockerfile !== undefined && first !== undefined) {
    console.error(escapeLines(excerpt(dockerfile, first, last!)));
  }
  return new UserError(`ERROR: failed to solve: ${message}`);
}

/** The lines that an error is about, marked, with two before and after. */
export function excerpt(
  { name, text }: { name: string; text: string },
  first: number,
  last: number,
) {
  const all = text.split(/\r?\n/);
  if (all.at(-1) === "") all.pop();
  const shown: string[] = [];
  for (let at = Math.max(1, first - 2); at <= Math.min(all.length, last + 2); at++) {
    const mark = at >= first && at <= last ? ">>>" : "   ";
    shown.push(`${String(at).padStart(4)} | ${mark} ${all[at - 1]}`);
  }
  const rule = "-".repeat(20);
  return [`${name}:${first}`, rule, ...shown, rule].join("\n");
}
