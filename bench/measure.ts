/** Timing: one process, start to end; and what many timings say together. */

/** A command with its environment. */
export interface Call {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Milliseconds from the start of the process until its exit. Throws when it fails. */
export async function timeCall({ argv, env = {} }: Call): Promise<number> {
  const [program, ...args] = argv;
  const quiet = { stdin: "null", stdout: "null", stderr: "null" } as const;
  const start = performance.now();
  const child = new Deno.Command(program, { args, env, ...quiet }).spawn();
  const { success, code } = await child.status;
  const elapsedMs = performance.now() - start;
  if (!success) throw new Error(`Cannot time "${argv.join(" ")}": exit code ${code}`);
  return elapsedMs;
}

/** The middle of the values; the lower of two middles. Throws RangeError for none. */
function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("Cannot take the median of no values");
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1];
}

/** What one engine needed in one case. `unit` is "ms", "kB" or "MB"; less is better. */
export interface Result {
  median: number;
  least: number;
  runs: number;
}

/** Sums up the values of one engine. */
export function summary(values: readonly number[]): Result {
  return { median: median(values), least: Math.min(...values), runs: values.length };
}
