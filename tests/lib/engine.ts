/**
 * A Diplodock of a test file's own: its root and run directories, its commands, and the proof
 * that nothing of it is left. One for a file, disposed by `Deno.test.afterAll`.
 */
import { cgroupLayout } from "../../src/runtime/cgroup_layout.ts";
import { removeCgroup } from "../../src/runtime/cgroup.ts";
import { openCgroup } from "../../src/runtime/cgroup_place.ts";
import { noteEngine } from "./traces.ts";

/** The binary under test. */
export const PROGRAM = Deno.env.get("DIPLODOCK_BIN") ?? "dist/diplodock";

const PREFIX = "diplodock-e2e-";
const decoder = new TextDecoder();

/** What a command did. */
export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a command is run. */
export interface RunOptions {
  /** Bytes or text for its stdin; nothing by default. */
  readonly stdin?: Uint8Array | string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A Diplodock with an empty store. */
export class Engine implements AsyncDisposable {
  readonly top: string;
  readonly root: string;
  readonly run: string;
  readonly env: Record<string, string>;

  constructor() {
    removeStale();
    this.top = Deno.makeTempDirSync({ prefix: `${PREFIX}${Deno.pid}-` });
    // Containers' users must be able to walk to what is bound from here.
    Deno.chmodSync(this.top, 0o755);
    this.root = `${this.top}/root`;
    this.run = `${this.top}/run`;
    noteEngine(this.run);
    this.env = {
      DIPLODOCK_ROOT: this.root,
      DIPLODOCK_RUN: this.run,
      DOCKER_CONFIG: `${this.top}/docker`,
    };
  }

  /** A command that is not waited for; its streams are pipes unless `options` says otherwise. */
  spawn(args: readonly string[], options: Deno.CommandOptions = {}): Deno.ChildProcess {
    return new Deno.Command(PROGRAM, {
      args: [...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      ...options,
      env: { ...this.env, ...options.env },
    }).spawn();
  }

  /** Runs a command to its end. */
  async dd(...args: string[]): Promise<Result> {
    return await this.with({}, ...args);
  }

  /** Runs a command with a stdin or an environment. */
  async with({ stdin, env }: RunOptions, ...args: string[]): Promise<Result> {
    const child = this.spawn(args, { stdin: stdin === undefined ? "null" : "piped", env });
    const fed = stdin === undefined ? undefined : feed(child, stdin);
    const { code, stdout, stderr } = await child.output();
    await fed;
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** Runs a command that must succeed; its stdout without the last line break. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.dd(...args);
    if (code !== 0) throw new Error(`diplodock ${args.join(" ")}: exit code ${code}\n${stderr}`);
    return stdout.replace(/\n$/, "");
  }

  /** `run --rm --network none` of the machine's own root. */
  async host(...args: string[]): Promise<Result> {
    return await this.dd("run", "--rm", "--network", "none", ...args);
  }

  /** Starts a container in the background; its id. */
  async background(...args: string[]): Promise<string> {
    return await this.ok("run", "-d", "--network", "none", ...args);
  }

  /** One value of `inspect`. */
  async inspect(reference: string, format: string): Promise<string> {
    return await this.ok("container", "inspect", "-f", format, reference);
  }

  /** A file or directory below the engine's own temporary one. */
  path(name: string): string {
    return `${this.top}/${name}`;
  }

  /** Writes a file; its path. */
  file(name: string, text: string, mode = 0o644): string {
    const path = this.path(name);
    Deno.writeTextFileSync(path, text);
    Deno.chmodSync(path, mode);
    return path;
  }

  /** A root file system of busybox alone, for `run --rootfs`; `more` may add what it likes. */
  rootfs(name: string, more: (directory: string) => void = () => {}): string {
    const directory = this.path(name);
    Deno.mkdirSync(`${directory}/bin`, { recursive: true });
    Deno.copyFileSync("/bin/busybox", `${directory}/bin/busybox`);
    for (const applet of APPLETS) Deno.symlinkSync("busybox", `${directory}/bin/${applet}`);
    more(directory);
    return directory;
  }

  /** The ids of all containers, also of half-made ones. */
  ids(): string[] {
    return names(`${this.root}/containers`).filter((name) => /^[0-9a-f]{64}$/.test(name));
  }

  /** What of this engine the machine still knows: nothing, when all containers are removed. */
  leftovers(): string[] {
    return [
      ...names(`${this.root}/containers`).filter((name) => !name.startsWith(".makers"))
        .map((name) => `container directory ${name}`),
      ...names(`${this.root}/names`).filter((name) => name !== ".lock")
        .map((name) => `name ${name}`),
      ...names(`${this.run}/containers`).map((name) => `run directory ${name}`),
      ...this.mounts().map((line) => `mount ${line}`),
      ...this.processes().map(({ pid, words }) => `process ${pid}: ${words}`),
      ...[...this.#seen].flatMap(cgroupsOf).map((path) => `cgroup ${path}`),
    ];
  }

  /**
   * The same once no process of the engine is left: who has cleaned up still has to end, and what a
   * client was killed over is cleaned up by a process of its own.
   */
  async left(): Promise<string[]> {
    await waitFor(() => this.processes().length === 0).catch(() => {});
    return this.leftovers();
  }

  readonly #seen = new Set<string>();

  /** Remembers ids, so that leftovers() looks for their cgroups. */
  remember(ids: Iterable<string> = this.ids()): void {
    for (const id of ids) this.#seen.add(id);
  }

  /** Lines of our own mount table that have to do with this engine. */
  mounts(): string[] {
    const table = Deno.readTextFileSync("/proc/self/mountinfo").split("\n");
    return table.filter((line) => line.includes(this.top));
  }

  /** Live processes of this engine: commands, monitors, clean-ups, and those in its containers. */
  processes(): { pid: number; words: string }[] {
    const found: { pid: number; words: string }[] = [];
    const short = new Set([...this.#seen, ...this.ids()].map((id) => id.slice(0, 12)));
    for (const name of names("/proc")) {
      if (!/^\d+$/.test(name) || Number(name) === Deno.pid) continue;
      const words = read(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim();
      if (words === "") continue; // a zombie, or a kernel thread
      const ours = read(`/proc/${name}/environ`).includes(`DIPLODOCK_ROOT=${this.root}\0`) ||
        (words.startsWith("diplodock-monitor ") && short.has(words.slice(18, 30))) ||
        words === `diplodock-rules ${this.run}/net` ||
        /\/diplodock\/([0-9a-f]{12})/.test(read(`/proc/${name}/cgroup`)) &&
          [...read(`/proc/${name}/cgroup`).matchAll(/\/diplodock\/([0-9a-f]{12})/g)]
            .some(([, id]) => short.has(id));
      if (ours) found.push({ pid: Number(name), words });
    }
    return found;
  }

  /** Removes all of it, whatever state it is in. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.remember();
    // What a test has broken on purpose may keep it from some of it: that goes below.
    await this.dd("system", "reset", "-f");
    await waitFor(() => this.processes().length === 0, 2000).catch(() => {});
    for (const { pid } of this.processes()) kill(pid);
    // Until then they may still write below what is removed here.
    await waitFor(() => this.processes().length === 0);
    for (const id of this.#seen) {
      if (cgroupsOf(id).length > 0) await removeCgroup(openCgroup(`/diplodock/${id}`));
    }
    for (const line of this.mounts()) {
      await new Deno.Command("umount", { args: ["-l", line.split(" ")[4]] }).output();
    }
    Deno.removeSync(this.top, { recursive: true });
  }
}

const APPLETS = [
  ...["sh", "cat", "ls", "echo", "sleep", "id", "pwd", "touch", "mkdir", "mount", "umount"],
  ...[
    "readlink",
    "stat",
    "grep",
    "true",
    "kill",
    "env",
    "ln",
    "rm",
    "head",
    "wc",
    "test",
    "mknod",
    "mkfifo",
    "unshare",
    "find",
  ],
];

async function feed(child: Deno.ChildProcess, stdin: Uint8Array | string): Promise<void> {
  const bytes = typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin;
  const writer = child.stdin.getWriter();
  // Whoever does not read its input to the end makes this fail, and that is its right.
  await writer.write(bytes).then(() => writer.close()).catch(() => {});
}

/** Who has waited so long waits in vain, however busy the machine is. */
const LIMIT_MS = 60_000;

/** Waits until `condition` holds; throws after `limitMs`. */
export async function waitFor(
  condition: () => boolean | Promise<boolean>,
  limitMs = LIMIT_MS,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!await condition()) {
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms in vain`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function names(path: string): string[] {
  try {
    return Array.from(Deno.readDirSync(path), ({ name }) => name);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // the process has just ended
  }
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // it has ended by itself
  }
}

/** The cgroup directories of container `id`, in all hierarchies. */
export function cgroupsOf(id: string): string[] {
  return cgroupLayout().hierarchies.map(({ mountPoint }) => `${mountPoint}/diplodock/${id}`)
    .filter((path) => {
      try {
        return Deno.statSync(path).isDirectory;
      } catch {
        return false;
      }
    });
}

/** What test processes that were killed left in the temporary directory. */
function removeStale(): void {
  const directory = Deno.env.get("TMPDIR") ?? "/tmp";
  for (const name of names(directory)) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || read(`/proc/${pid}/comm`) !== "") continue;
    try {
      Deno.removeSync(`${directory}/${name}`, { recursive: true });
    } catch {
      // in use: the next run gets it
    }
  }
}
