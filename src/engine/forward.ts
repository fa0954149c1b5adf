/** Signals and window sizes that go from the client to the container. */
import { Fd } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { setWindowSize, type WindowSize, windowSize } from "../../ffi/tty.ts";
import { parseSignal } from "../base/signals.ts";

/**
 * All signals a process may catch but those that mean nothing to a container: SIGCHLD (our own
 * children), SIGPIPE, SIGURG (docker's own runtime uses it), and the faults.
 */
const FORWARDED: readonly Deno.Signal[] = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGTERM",
  "SIGCONT",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGWINCH",
  "SIGIO",
  "SIGPWR",
  "SIGVTALRM",
  "SIGPROF",
  "SIGXCPU",
  "SIGXFSZ",
  "SIGSTKFLT",
];
/** What ends a client that does not forward, with a terminal to restore. */
const ENDING: readonly Deno.Signal[] = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"];
const STDIN_FD = 0, STDOUT_FD = 1;

function listen(
  signals: readonly Deno.Signal[],
  handle: (signal: Deno.Signal) => void,
): Disposable {
  const handlers = signals.map((signal) => [signal, () => handle(signal)] as const);
  for (const [signal, handler] of handlers) Deno.addSignalListener(signal, handler);
  return {
    [Symbol.dispose]() {
      for (const [signal, handler] of handlers) Deno.removeSignalListener(signal, handler);
    },
  };
}

/** Sends on to process `pid` every signal that this process gets, until disposed. */
export function forwardSignals(pid: number): Disposable {
  const proxy = new SignalProxy();
  proxy.sendTo(pid);
  return proxy;
}

/**
 * Signals on their way from this process to a container: from listen() on they do nothing to this
 * process; what comes before sendTo() waits for it. Until disposed.
 */
export class SignalProxy implements Disposable {
  #listening: Disposable | undefined;
  #process: Fd | undefined;
  #waiting: Deno.Signal[] = [];

  listen(): void {
    this.#listening ??= listen(FORWARDED, (signal) => this.#pass(signal));
  }

  /** `pid` runs the container's command: before that it would not notice most signals. */
  sendTo(pid: number): void {
    this.listen();
    this.#process = new Fd(sys("pidfd_open", pid, 0));
    this.#waiting.splice(0).forEach((signal) => this.#pass(signal));
  }

  #pass(signal: Deno.Signal): void {
    if (this.#process === undefined) this.#waiting.push(signal);
    else sys("pidfd_send_signal", this.#process.raw, parseSignal(signal), 0, 0);
  }

  [Symbol.dispose](): void {
    this.#listening?.[Symbol.dispose]();
    this.#process?.[Symbol.dispose]();
  }
}

/** Ends this process by a signal only after `restore`: with a terminal signals are not forwarded. */
export function endOnSignals(restore: () => void): Disposable {
  return listen(ENDING, (signal) => {
    restore();
    Deno.exit(128 + parseSignal(signal));
  });
}

/** The size of the user's terminal. */
function ownWindowSize(): { height: number; width: number } | undefined {
  return windowSize(STDOUT_FD) ?? windowSize(STDIN_FD);
}

/**
 * Keeps a container's terminal as large as the user's. With `redraw` the size changes for a
 * moment, which makes programs paint a screen that this client has not seen yet. Each size is
 * told.
 */
export function forwardWindowSize(
  master: Fd,
  redraw: boolean,
  tell: (size: WindowSize) => void = () => {},
): Disposable {
  const update = () => {
    const size = ownWindowSize();
    if (size === undefined || size.height === 0) return;
    setWindowSize(master, size);
    tell(size);
  };
  const size = ownWindowSize();
  if (redraw && size !== undefined && size.height > 0) {
    setWindowSize(master, { ...size, height: size.height + 1 });
  }
  update();
  return listen(["SIGWINCH"], update);
}
