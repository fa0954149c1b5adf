/**
 * An ordinary user for tests: a number that nobody has, a name and subordinate ids that are known
 * in a mount namespace of his own only. Nothing of the machine is changed.
 */
import { PROGRAM, type Result, waitFor } from "./engine.ts";

const NUMBERS = 3_000;
/** Of this test process alone as long as it lives: the user's processes are ended at the end. */
const NUMBER = takeNumber();
/** Nobody on any machine: above what distributions give out, below subordinate ids. */
const UID = 62_000 + NUMBER;
/** Where his subordinate ids begin, and how many there are. */
export const SUBORDINATE = { start: 5_000_000 + NUMBER * 65_536, count: 65_536 };

const decoder = new TextDecoder();

/** A number that no other test process has now: the name of a socket, which goes with the process. */
function takeNumber(): number {
  const first = Deno.pid % NUMBERS;
  if (Deno.uid() !== 0) return first; // there will be no user
  for (let number = first;; number = (number + 1) % NUMBERS) {
    try {
      Deno.listen({ transport: "unix", path: `\0diplodock-user-${number}` });
      return number;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** What differs from a user of a usual machine. */
export interface UserOptions {
  /** No lines in /etc/subuid and /etc/subgid. */
  readonly single?: boolean;
}

/** Root of the machine becomes him for each command. */
export class OrdinaryUser implements AsyncDisposable {
  readonly uid = UID;
  readonly top = Deno.makeTempDirSync({ prefix: "diplodock-user-" });
  readonly home = `${this.top}/home`;
  readonly store = `${this.home}/.local/share/diplodock`;
  readonly run = `${this.home}/run`;
  readonly #namespace: Deno.ChildProcess;
  readonly #program = `${this.top}/diplodock`;

  private constructor({ single }: UserOptions) {
    Deno.chmodSync(this.top, 0o755);
    for (const path of [this.home, this.run]) {
      Deno.mkdirSync(path, { mode: 0o700 });
      Deno.chownSync(path, UID, UID);
    }
    // The tests' own directories may be closed to him.
    Deno.copyFileSync(PROGRAM, this.#program);
    const range = single ? "" : `ddtest:${SUBORDINATE.start}:${SUBORDINATE.count}\n`;
    const files: [name: string, text: string][] = [
      ["passwd", `${read("/etc/passwd")}ddtest:x:${UID}:${UID}::${this.home}:/bin/sh\n`],
      ["group", `${read("/etc/group")}ddtest:x:${UID}:\n`],
      ["subuid", range],
      ["subgid", range],
    ];
    for (const [name, text] of files) Deno.writeTextFileSync(`${this.top}/${name}`, text);
    const binds = files.map(([name]) => `mount --bind ${this.top}/${name} /etc/${name}`);
    // As udev makes it, which not every machine has running.
    const nodes = [["tun", "200", "/dev/net/tun"], ["fuse", "229", "/dev/fuse"]].map(
      ([name, minor, path]) =>
        `mknod ${this.top}/${name} c 10 ${minor}; chmod 666 ${this.top}/${name}; ` +
        `mount --bind ${this.top}/${name} ${path}`,
    );
    const script = `${binds.join(" && ")} || exit 1; ${nodes.join("; ")}; echo ready; read end`;
    this.#namespace = new Deno.Command("unshare", {
      args: ["-m", "--propagation", "private", "sh", "-c", script],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
  }

  /** Makes him; his namespace is there on return. */
  static async make(options: UserOptions = {}): Promise<OrdinaryUser> {
    const user = new OrdinaryUser(options);
    const reader = user.#namespace.stdout.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    if (decoder.decode(value).trim() !== "ready") throw new Error("Cannot make a user for tests");
    return user;
  }

  /** Runs a shell script as root of the machine, with the mounts that he sees. */
  async asRoot(script: string): Promise<void> {
    const { success, stderr } = await new Deno.Command("nsenter", {
      args: ["-t", String(this.#namespace.pid), "-m", "sh", "-ec", script],
    }).output();
    if (!success) throw new Error(`Cannot run "${script}": ${decoder.decode(stderr)}`);
  }

  /** What root of the machine executes so that he runs `words`, in his home directory. */
  argv(words: readonly string[], env: Record<string, string> = {}): string[] {
    const variables = {
      PATH: Deno.env.get("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: this.home,
      XDG_RUNTIME_DIR: this.run,
      ...env,
    };
    return [
      ...["nsenter", "-t", String(this.#namespace.pid), "-m", `--wd=${this.home}`, "setpriv"],
      ...["--reuid", String(UID), "--regid", String(UID), "--clear-groups"],
      ...["env", "-i", ...Object.entries(variables).map(([key, value]) => `${key}=${value}`)],
      ...words,
    ];
  }

  /** Runs `words` as him. */
  async as(words: readonly string[], env: Record<string, string> = {}): Promise<Result> {
    const [program, ...args] = this.argv(words, env);
    const { code, stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" })
      .output();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** Runs a Diplodock command as him. */
  async dd(...args: string[]): Promise<Result> {
    return await this.as([this.#program, ...args]);
  }

  /** The same with one more variable. */
  async with(env: Record<string, string>, ...args: string[]): Promise<Result> {
    return await this.as([this.#program, ...args], env);
  }

  /** Runs a command that must succeed; its stdout without the last line break. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.dd(...args);
    if (code !== 0) throw new Error(`diplodock ${args.join(" ")}: exit code ${code}\n${stderr}`);
    return stdout.replace(/\n$/, "");
  }

  /** His processes, those of his subordinate ids too; without the zombies that init has yet to see. */
  processes(): string[] {
    return Array.from(Deno.readDirSync("/proc"), ({ name }) => name).flatMap((name) => {
      if (!/^\d+$/.test(name)) return [];
      const uid = Number(/^Uid:\s+(\d+)/m.exec(read(`/proc/${name}/status`))?.[1] ?? 0);
      const his = uid === UID ||
        (uid >= SUBORDINATE.start && uid < SUBORDINATE.start + SUBORDINATE.count);
      const words = read(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim();
      return his && words !== "" ? [`${name} ${words}`] : [];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const line of this.processes()) {
      try {
        Deno.kill(parseInt(line), "SIGKILL");
      } catch {
        // it has ended by itself
      }
    }
    await waitFor(() => this.processes().length === 0);
    const writer = this.#namespace.stdin.getWriter();
    await writer.close().catch(() => {});
    await this.#namespace.stdout.cancel();
    await this.#namespace.status;
    Deno.removeSync(this.top, { recursive: true });
  }
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // the process has just ended
  }
}
