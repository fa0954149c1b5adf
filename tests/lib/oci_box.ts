/**
 * OCI runtimes under test, each with a state directory and bundles of its own. The same tests run
 * with ours and with runc, which proves the tests.
 */
import { cgroupLayout, hierarchyOf } from "../../src/runtime/cgroup_layout.ts";
import type { Spec } from "../../src/runtime/spec_types.ts";
import { defaultSpec } from "../../src/runtime/oci_default_spec.ts";
import { PROGRAM, type Result, waitFor } from "./engine.ts";
import { hasProgram, isRoot, skipUnless } from "./skip.ts";

const decoder = new TextDecoder();
const APPLETS = [
  ...["sh", "cat", "ls", "echo", "sleep", "id", "true", "kill", "env", "mount", "grep", "touch"],
  ...["readlink", "stat", "head", "wc", "test", "hostname", "nice", "trap", "ps", "chmod", "mkdir"],
];

/** Which runtime. */
export type RuntimeName = "diplodock" | "runc";

/** Those that are here: ours always. */
export const RUNTIMES: readonly RuntimeName[] = hasProgram("runc")
  ? ["diplodock", "runc"]
  : ["diplodock"];

/** Our program under a name that makes it an OCI runtime, in `directory`. */
export function linkRuntime(directory: string): string {
  const path = `${directory}/diplodock-oci`;
  Deno.symlinkSync(Deno.realPathSync(PROGRAM), path);
  return path;
}

/** Makes a root file system of busybox alone. */
export function busyboxRoot(directory: string): void {
  Deno.mkdirSync(`${directory}/bin`, { recursive: true });
  Deno.copyFileSync("/bin/busybox", `${directory}/bin/busybox`);
  for (const applet of APPLETS) Deno.symlinkSync("busybox", `${directory}/bin/${applet}`);
}

/** Runs a program to its end. */
export async function runProgram(
  argv: readonly string[],
  options: Deno.CommandOptions & { input?: string } = {},
): Promise<Result> {
  const [program, ...args] = argv;
  const { input, ...rest } = options;
  const child = new Deno.Command(program, {
    args,
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...rest,
  }).spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    // Whoever does not read its input to the end makes this fail, and that is its right.
    await writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => {});
  }
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** One runtime with a state directory of its own. */
export class OciBox implements AsyncDisposable {
  readonly top: string;
  readonly rootfs: string;
  readonly argv: readonly string[];
  #count = 0;

  constructor(readonly name: RuntimeName) {
    this.top = Deno.makeTempDirSync({ prefix: `diplodock-oci-${name}-` });
    Deno.chmodSync(this.top, 0o755);
    this.rootfs = `${this.top}/rootfs`;
    busyboxRoot(this.rootfs);
    const program = name === "runc" ? "runc" : linkRuntime(this.top);
    this.argv = [program, "--root", `${this.top}/state`];
  }

  /** A bundle: the default config without terminal, changed by `change`. Its directory. */
  bundle(change: (spec: Spec) => void = () => {}): string {
    const directory = `${this.top}/bundle${++this.#count}`;
    Deno.mkdirSync(directory);
    const spec = defaultSpec();
    spec.ociVersion = "1.0.2";
    spec.process!.terminal = false;
    spec.root = { path: this.rootfs };
    // Where the machine's own set is small.
    delete spec.process!.rlimits;
    change(spec);
    Deno.writeTextFileSync(`${directory}/config.json`, JSON.stringify(spec));
    return directory;
  }

  /** A bundle whose process is `args`. */
  command(args: string[], change: (spec: Spec) => void = () => {}): string {
    return this.bundle((spec) => {
      spec.process!.args = args;
      change(spec);
    });
  }

  /** An id that no other test of this process has. */
  id(): string {
    return `oci-test-${Deno.pid}-${this.name}-${++this.#count}`;
  }

  /** A command of the runtime. */
  async oci(...args: string[]): Promise<Result> {
    return await runProgram([...this.argv, ...args]);
  }

  /** A command that must succeed; its standard output. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.oci(...args);
    if (code !== 0) throw new Error(`${this.name} ${args.join(" ")}: exit code ${code}\n${stderr}`);
    return stdout;
  }

  /**
   * `create` or `run -d`, which hand their streams on: the container's go to the file it returns.
   * Throws with what the runtime wrote where it fails.
   */
  async detached(
    args: readonly string[],
    options: { env?: Record<string, string> } = {},
  ): Promise<string> {
    const file = `${this.top}/output${++this.#count}`;
    const { code, stdout } = await runProgram(
      ["/bin/sh", "-c", 'out=$0; "$@" > "$out" 2>&1 < /dev/null', file, ...this.argv, ...args],
      options,
    );
    if (code !== 0) {
      throw new Error(`${this.name} ${args.join(" ")}: exit code ${code}\n${stdout}${read(file)}`);
    }
    return file;
  }

  /** A container that runs `sleep`; runc returns a moment before its execve. */
  async sleeping(): Promise<string> {
    const id = this.id();
    await this.detached(["run", "-d", "--bundle", this.command(["sleep", "1000"]), id]);
    const { pid } = await this.state(id);
    await waitFor(() => read(`/proc/${pid}/cmdline`) === "sleep\x001000\x00");
    return id;
  }

  /** `run` in the foreground of a bundle made by `change`. */
  async run(args: string[], change: (spec: Spec) => void = () => {}): Promise<Result> {
    return await this.oci("run", "--bundle", this.command(args, change), this.id());
  }

  async state(id: string): Promise<Record<string, unknown>> {
    return JSON.parse(await this.ok("state", id));
  }

  async untilStatus(id: string, status: string): Promise<void> {
    await waitFor(async () => (await this.state(id)).status === status);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { stdout } = await this.oci("list", "-q");
    for (const id of stdout.split("\n").filter(Boolean)) await this.oci("delete", "--force", id);
    Deno.removeSync(this.top, { recursive: true });
  }
}

/** The text of a file; none where it is not there. */
export function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

/** What a control file says of the cgroup that a container's first process is in. */
export async function ociControl(
  box: OciBox,
  id: string,
  controller: string,
  [v1, v2]: readonly [v1: string, v2: string],
): Promise<string> {
  const own = read(`/proc/${(await box.state(id)).pid}/cgroup`);
  const hierarchy = hierarchyOf(cgroupLayout(), controller);
  if (hierarchy === undefined) throw new Error(`no hierarchy of ${controller}`);
  const { version, mountPoint } = hierarchy;
  const line = version === 2 ? /^0::(.*)$/m : new RegExp(`^\\d+:${controller}:(.*)$`, "m");
  return read(`${mountPoint}${line.exec(own)?.[1]}/${version === 2 ? v2 : v1}`).trim();
}

/** One test for each of `runtimes`, with a box of its own; skipped where it cannot run. */
export function ociTest(
  name: string,
  fn: (box: OciBox) => Promise<void>,
  runtimes: readonly RuntimeName[] = RUNTIMES,
): void {
  for (const runtime of runtimes) {
    Deno.test({
      name: `${runtime}: ${name}`,
      ...skipUnless(isRoot() && hasProgram("busybox"), "needs root and busybox"),
      fn: async () => {
        await using box = new OciBox(runtime);
        await fn(box);
      },
    });
  }
}
