/** `--strict`: what the engine would leave out with a warning is an error. */
import { UserError } from "../base/errors.ts";

/**
 * `warn` itself, or, when `strict`, a function that throws UserError (exit code 125) for each
 * warning that tells of something being left out; advice stays advice. docker's texts, and ours
 * that follow them, say "discarded" of what is left out.
 */
export function strictly(
  strict: boolean | undefined,
  warn: (text: string) => void,
): (text: string) => void {
  if (!strict) return warn;
  return (text) => {
    if (!/discarded/i.test(text)) return warn(text);
    throw new UserError(`${text} Refused because of --strict`, 125);
  };
}
