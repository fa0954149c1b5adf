/** All that decides a monitor: its descriptors, where streams go, when it ends, who cleans up. */
import type { Place, Step } from "../../ffi/program.ts";
import type { Join } from "./namespaces.ts";

/** Descriptor numbers of a monitor, as they are in the process that starts it. */
export interface MonitorFds {
  /** Close-on-exec pipe: 16 bytes of a failed step, or nothing. */
  readonly report: number;
  /** SEQPACKET socket to the client that started it. */
  readonly client: number;
  /** DGRAM socket where later clients send their SEQPACKET socket. */
  readonly control: number;
  /** Opened for writing: gets init's line of /proc/self/stat. */
  readonly stat: number;
  /** The container's directory: log, exit. */
  readonly directory: number;
  /** Opened for appending; -1: no log. */
  readonly log: number;
  readonly nullFile: number;
  /** Kept open so that the container's stdin does not end; -1: none. */
  readonly stdinHold: number;
}

/** Where the container's three streams go. */
export type MonitorStdio =
  /** The monitor reads these two pipes; init gets their other ends. */
  | {
    readonly kind: "pipes";
    readonly stdin: number;
    readonly stdout: { readonly read: number; readonly write: number };
    readonly stderr: { readonly read: number; readonly write: number };
  }
  /** Init gets these, nothing is read. */
  | {
    readonly kind: "given";
    readonly stdin: number;
    readonly stdout: number;
    readonly stderr: number;
  }
  /** Init makes a terminal and sends its master over this pair of sockets. */
  | {
    readonly kind: "terminal";
    readonly console: { readonly monitor: number; readonly init: number };
  };

/** A limited run time. */
export interface MonitorTimeout {
  readonly seconds: number;
  readonly signal: number;
  /** Seconds from the signal to SIGKILL. */
  readonly graceSeconds: number;
}

/** What is executed when no client takes over at the end. */
export interface Cleanup {
  readonly file: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
}

/** All that decides a monitor's program. */
export interface MonitorPlan {
  readonly init: {
    /** What init does, up to execve. Its labels are its own. */
    readonly steps: readonly Step[];
    /** Namespaces, CLONE_INTO_CGROUP. */
    readonly flags: bigint;
    /** A cgroup2 directory's descriptor, with CLONE_INTO_CGROUP. */
    readonly cgroup?: number;
    /** Joined by whoever clones init: user and pid namespaces count for children only. */
    readonly before: readonly Join[];
    /** Descriptors 3 to 2+N are the user's and stay open in the command. */
    readonly preserveFds: number;
    /** Descriptors that only init uses. */
    readonly keep: readonly number[];
  };
  readonly fds: MonitorFds;
  /** Kept open until init has ended: ports of the host. */
  readonly held: readonly number[];
  readonly stdio: MonitorStdio;
  /** Set to the number of init's socket before init's steps, with a terminal. */
  readonly consoleSocket: Place;
  /** Rotation: greatest size of one file (Infinity: never) and how many there are. */
  readonly logLimit?: { readonly maxBytes: number; readonly maxFiles: number };
  readonly timeout?: MonitorTimeout;
  readonly cleanup: Cleanup;
}
