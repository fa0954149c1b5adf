/**
 * Skips a test for a reason that the summary of `./build.sh test` prints:
 * `Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn })`.
 */

/** The runner names a file here; each reason becomes a line of it. */
export const SKIP_LOG_VARIABLE = "DIPLODOCK_SKIP_LOG";

/** Options that leave a test out unless `condition` holds; `reason` says what is missing. */
export function skipUnless(condition: boolean, reason: string): { ignore: boolean } {
  const log = Deno.env.get(SKIP_LOG_VARIABLE);
  if (!condition && log !== undefined) {
    Deno.writeTextFileSync(log, `${reason}\n`, { append: true });
  }
  return { ignore: !condition };
}

/** Whether this process is root: kernel tests make namespaces and mounts. */
export function isRoot(): boolean {
  return Deno.uid() === 0;
}

/** Whether a program of this name is on PATH. */
export function hasProgram(name: string): boolean {
  const folders = (Deno.env.get("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin").split(":");
  return folders.some((folder) => {
    try {
      return Deno.statSync(`${folder}/${name}`).isFile;
    } catch {
      return false;
    }
  });
}
