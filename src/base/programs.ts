/** Programs of the machine that are of use where they are installed. */

/** Where administrators' programs are, also for users whose PATH lacks them. */
const MORE = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];

/** The absolute path of the executable file `name`, by PATH and then the usual places. */
export function findProgram(name: string): string | undefined {
  const folders = (Deno.env.get("PATH") ?? "").split(":").filter((path) => path.startsWith("/"));
  return [...folders, ...MORE].map((folder) => `${folder}/${name}`).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && ((mode ?? 0) & 0o111) !== 0;
  } catch {
    return false; // not there, or not for us to see
  }
}
