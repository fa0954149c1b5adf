/** Disks for tests: loop devices over files of their own. */

const MIB = 1 << 20;

/** A disk by its numbers. */
export interface Place {
  readonly major: number;
  readonly minor: number;
}

/** A loop device over `file`, or undefined where this machine has none. */
function attachLoop(file: string): string | undefined {
  try {
    const { success, stdout } = new Deno.Command("losetup", {
      args: ["-f", "--show", file],
      stderr: "null",
    }).outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Calls `body` with a disk of 8 MiB, whose requests BFQ orders if `scheduler` says so. Where this
 * machine gives none, or has no such scheduler, that is printed, and nothing is called.
 */
export async function withLoop(
  body: (place: Place, path: string) => void | Promise<void>,
  scheduler?: "bfq",
): Promise<void> {
  const file = Deno.makeTempFileSync();
  Deno.writeFileSync(file, new Uint8Array(8 * MIB));
  const path = attachLoop(file);
  try {
    if (path === undefined) return console.log("not tested: this machine gives no loop device");
    using chosen = scheduler && chooseScheduler(path, scheduler);
    if (scheduler !== undefined && chosen === undefined) {
      return console.log(`not tested: this kernel has no I/O scheduler ${scheduler}`);
    }
    const { rdev } = Deno.statSync(path);
    await body({ major: rdev! >> 8, minor: rdev! & 0xff }, path);
  } finally {
    if (path !== undefined) new Deno.Command("losetup", { args: ["-d", path] }).outputSync();
    Deno.removeSync(file);
  }
}

/** Lets `name` order the requests of a disk until disposed; undefined: the kernel has it not. */
function chooseScheduler(path: string, name: string): Disposable | undefined {
  const file = `/sys/block/${path.slice("/dev/".length)}/queue/scheduler`;
  const text = Deno.readTextFileSync(file);
  if (!text.split(/[\s[\]]+/).includes(name)) return undefined;
  Deno.writeTextFileSync(file, name);
  // A loop device keeps it for whom it serves next.
  const before = /\[(\S+)\]/.exec(text)?.[1] ?? "none";
  return { [Symbol.dispose]: () => Deno.writeTextFileSync(file, before) };
}
