/**
 * The listener of a filter with SCMP_ACT_NOTIFY, on its way from the process that installed the
 * filter to the agent that answers. Source: runtime-spec config-linux.md, "containerProcessState";
 * seccomp_unotify(2).
 */
import { SOCK_STREAM } from "../../ffi/constants.ts";
import { Fd, readInto, writeAll } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import { type Place, slot } from "../../ffi/program.ts";
import { connectStream, sendFd, socketPair } from "../../ffi/unix_socket.ts";
import type { PrintedState } from "./oci_state.ts";
import type { Seccomp } from "./spec_types.ts";

/** Made before the process is started, so that an agent that is not there is found out in time. */
export class ListenerHandover implements Disposable {
  readonly #agent: Fd;
  readonly #ours: Fd;
  readonly theirs: Fd;
  /** Where the process finds the number of its end. */
  readonly place: Place;

  constructor(path: string, readonly metadata: string) {
    this.#agent = connectStream(path);
    [this.#ours, this.theirs] = socketPair(SOCK_STREAM);
    this.place = slot("seccomp agent", this.theirs.raw);
  }

  /** Waits for the listener of process `pid` and sends it on. Nothing if the process ends first. */
  hand(pid: number, state: PrintedState): void {
    this.theirs[Symbol.dispose]();
    const word = new Uint8Array(8);
    if (readInto(this.#ours, word) !== word.length) return;
    const number = new DataView(word.buffer).getInt32(0, true);
    const goal = "take the seccomp listener";
    using pidfd = new Fd(check(goal, "pidfd_open", pid, 0));
    using listener = new Fd(check(goal, "pidfd_getfd", pidfd.raw, number, 0));
    const text = JSON.stringify({
      ociVersion: state.ociVersion,
      fds: ["seccompFd"],
      pid,
      metadata: this.metadata,
      state,
    });
    sendFd(this.#agent, listener, new TextEncoder().encode(text));
    this.#agent[Symbol.dispose]();
    // A process that is on its way to execve closes the listener there.
    writeAll(this.#ours, new Uint8Array(1), "go on after the seccomp listener");
  }

  [Symbol.dispose](): void {
    for (const fd of [this.#agent, this.#ours, this.theirs]) fd[Symbol.dispose]();
  }
}

/** The handover that `seccomp` asks for, if it does. Throws SyscallError where nobody listens. */
export function listenerHandover(seccomp: Seccomp | undefined): ListenerHandover | undefined {
  if (!seccomp?.listenerPath) return undefined;
  return new ListenerHandover(seccomp.listenerPath, seccomp.listenerMetadata ?? "");
}
