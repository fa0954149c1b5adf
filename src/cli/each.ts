/** Commands over several containers: each is tried, the good ones are printed, the bad ones told. */
import { messageOf, UserError } from "../base/errors.ts";
import { isRefusal } from "../engine/refusal.ts";

/**
 * Runs `action` on every reference. Names go to stdout as the user typed them, in order; errors
 * to stderr, a line each, in the engine's wording. The exit code: 1 if any failed.
 */
export async function forEach(
  references: readonly string[],
  action: (reference: string) => unknown,
  options: { readonly parallel?: boolean; readonly quiet?: boolean } = {},
): Promise<number> {
  const attempts = references.map((reference) => () => attempt(reference, action));
  let failed = false;
  const settle = (reference: string, error: UserError | undefined) => {
    if (error === undefined) {
      if (!options.quiet) console.log(reference);
      return;
    }
    failed = true;
    console.error(`Error response from daemon: ${error.message}`);
  };
  if (options.parallel) {
    const results = await Promise.all(attempts.map((run) => run()));
    references.forEach((reference, i) => settle(reference, results[i]));
  } else {
    for (const [i, run] of attempts.entries()) settle(references[i], await run());
  }
  return failed ? 1 : 0;
}

async function attempt(
  reference: string,
  action: (reference: string) => unknown,
): Promise<UserError | undefined> {
  try {
    await action(reference);
    return undefined;
  } catch (error) {
    if (error instanceof UserError) return error;
    if (isRefusal(error)) return new UserError(messageOf(error));
    throw error;
  }
}
