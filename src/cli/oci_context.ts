/** What every OCI command gets from the global options. */
import { OciStore } from "../runtime/oci_state.ts";
import type { OciArguments, OciOptions } from "./oci_args.ts";
import { firstError, UserError } from "../base/errors.ts";

/** Where containers are, and where messages go. */
export interface OciContext {
  readonly store: OciStore;
  warn(text: string): void;
}

/** One OCI command. */
export interface OciCommand {
  readonly summary: string;
  /** What follows the name in the usage line. */
  readonly usage: string;
  readonly options: OciOptions;
  readonly args: readonly [min: number, max: number];
  /** The first argument ends the options: what follows is somebody else's command line. */
  readonly optionsEnd?: "first";
  run(context: OciContext, given: OciArguments): number | Promise<number>;
}

/** An error of a command with the words that engines know in front: "exec failed: …". */
export async function prefixed<T>(prefix: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (thrown) {
    const error = firstError(thrown);
    const { name, message } = error as Error;
    if (!(error instanceof UserError) && name !== "SyscallError") throw error;
    throw new UserError(`${prefix}: ${message}`, error instanceof UserError ? error.exitCode : 1);
  }
}

/** Writes to standard output; deno's console would look at the text first. */
export function print(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}
