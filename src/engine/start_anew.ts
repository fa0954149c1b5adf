/** A command that was started for little work, and finds much. */
import { usualCommand } from "../base/self.ts";

/**
 * From so many files on it pays to start again, with V8's optimising compilers: that takes 80 ms,
 * and without them each file costs 0.08 ms more (measured).
 */
const MANY_FILES = 1000;

/** How many names a directory has below it; `limit` if there are more. */
function countNames(directory: string, limit: number): number {
  let count = 0;
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    if (++count >= limit) return limit;
    if (isDirectory) count += countNames(`${directory}/${name}`, limit - count);
  }
  return count;
}

/**
 * Starts this command again if it has to go through the many files of `directory` and was started
 * as a short one. Nothing must have been done yet.
 */
export async function startAnewForMany(directory: string): Promise<void> {
  const usual = usualCommand(Deno.args);
  if (usual === undefined || countNames(directory, MANY_FILES) < MANY_FILES) return;
  (await import("../runtime/become.ts")).becomeCommand(usual);
}
