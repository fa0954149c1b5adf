/** A terminal for commands under test: what is typed and what is shown, without a person. */
import { AT_FDCWD, O_CLOEXEC, O_NOCTTY, O_RDWR, POLLIN } from "../../ffi/constants.ts";
import { TIOCGPTN, TIOCSPTLCK } from "../../ffi/constants.ts";
import { Fd, readInto, writeAll } from "../../ffi/fd.ts";
import { check, sys } from "../../ffi/libc.ts";
import { poll } from "../../ffi/poll.ts";
import { setWindowSize } from "../../ffi/tty.ts";
import { PROGRAM } from "./engine.ts";

const LIMIT_MS = 60_000;

/** A pseudo terminal of 24 by 80 characters. */
export class PseudoTerminal implements Disposable {
  readonly #master: Fd;
  readonly path: string;
  /** All that was shown so far. */
  shown = "";

  constructor() {
    const flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
    this.#master = new Fd(check("open a terminal", "openat", AT_FDCWD, "/dev/ptmx", flags, 0));
    const number = new Uint8Array(4);
    check("open a terminal", "ioctl", this.#master.raw, TIOCSPTLCK, new Uint8Array(4));
    check("open a terminal", "ioctl", this.#master.raw, TIOCGPTN, number);
    this.path = `/dev/pts/${new DataView(number.buffer).getUint32(0, true)}`;
    this.resize(24, 80);
  }

  /** Runs a Diplodock command whose three streams are this terminal. */
  spawn(engine: { readonly env: Record<string, string> }, ...args: string[]): Deno.ChildProcess {
    return this.run(engine.env, PROGRAM, ...args);
  }

  /** Runs any program so. This is its controlling terminal. */
  run(env: Record<string, string>, ...argv: string[]): Deno.ChildProcess {
    const script = 'terminal=$0; exec "$@" <>"$terminal" >&0 2>&0';
    return new Deno.Command("setsid", {
      args: ["--wait", "sh", "-c", script, this.path, ...argv],
      env,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  type(text: string): void {
    writeAll(this.#master, new TextEncoder().encode(text));
  }

  resize(height: number, width: number): void {
    setWindowSize(this.#master, { height, width });
  }

  /** The terminal's flags as `stty -a` would read them: the kernel's struct termios. */
  settings(): Uint8Array {
    const bytes = new Uint8Array(36);
    check("read the settings", "ioctl", this.#master.raw, 0x5401, bytes);
    return bytes;
  }

  /** Waits until what was shown matches; throws after a minute. */
  async until(pattern: RegExp): Promise<string> {
    const end = performance.now() + LIMIT_MS;
    const buffer = new Uint8Array(65536);
    while (!pattern.test(this.shown)) {
      if (performance.now() > end) {
        throw new Error(`waited for ${pattern} in vain; shown: ${JSON.stringify(this.shown)}`);
      }
      const [events] = await poll([{ fd: this.#master.raw, events: POLLIN }], 100);
      if ((events & POLLIN) === 0) continue;
      const count = readInto(this.#master, buffer);
      if (count > 0) this.shown += new TextDecoder().decode(buffer.subarray(0, count));
    }
    return this.shown;
  }

  /** Takes in what was shown and not read yet. */
  async drain(): Promise<void> {
    const buffer = new Uint8Array(65536);
    for (;;) {
      const [events] = await poll([{ fd: this.#master.raw, events: POLLIN }], 0);
      const count = (events & POLLIN) === 0 ? 0 : readInto(this.#master, buffer);
      if (count <= 0) return;
      this.shown += new TextDecoder().decode(buffer.subarray(0, count));
    }
  }

  [Symbol.dispose](): void {
    sys("close", this.#master.release());
  }
}
