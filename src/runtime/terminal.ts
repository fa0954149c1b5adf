/** A terminal of the container's own devpts, and how its master leaves the container. */
import {
  O_CLOEXEC,
  O_NOCTTY,
  O_RDWR,
  SCM_RIGHTS,
  SOL_SOCKET,
  TIOCGPTPEER,
  TIOCSCTTY,
  TIOCSPTLCK,
  TIOCSWINSZ,
} from "../../ffi/constants.ts";
import {
  addressIn,
  type Block,
  block,
  type Place,
  slot,
  type Step,
  type Value,
} from "../../ffi/program.ts";
import { openInRoot } from "./paths.ts";

const ZERO = block("zero", new Uint8Array(8));

/** Columns and rows. */
export interface WindowSize {
  readonly height: number;
  readonly width: number;
}

/** struct winsize of ioctl_tty(2). */
function winsize({ height, width }: WindowSize): Block {
  const bytes = new Uint8Array(8);
  new Uint16Array(bytes.buffer).set([height, width]);
  return block("window size", bytes);
}

/**
 * Opens a new terminal of the devpts at `root`/dev/pts: its master in `master`, the other end in
 * `slave`. TIOCGPTPEER opens the end without a path that a container could have replaced.
 */
export function openTerminal(
  root: Value,
  master: Place,
  slave: Place,
  size: WindowSize | undefined,
): Step[] {
  const goal = "open a terminal";
  const ioctl = (request: number, argument: Value, more: Partial<Step> = {}): Step => ({
    call: "ioctl",
    args: [master, request, argument],
    goal,
    ...more,
  });
  return [
    openInRoot(root, "dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC, master, goal),
    ioctl(TIOCSPTLCK, addressIn(ZERO)),
    ioctl(TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC, { result: slave }),
    ...(size && size.height > 0 ? [ioctl(TIOCSWINSZ, addressIn(winsize(size)))] : []),
  ];
}

/**
 * Sends the descriptor in `fd` over the socket: one message with the terminal's name, as the
 * console socket of OCI runtimes has it. sendmsg(2), unix(7) SCM_RIGHTS.
 */
export function sendDescriptor(socket: Value, fd: Place): Step[] {
  const goal = "hand the terminal over";
  const name = block("terminal name", new TextEncoder().encode("/dev/pts/ptmx\0\0\0"));
  const vector = block("message vector", words([0n, 13n]), [{ offset: 0, to: addressIn(name) }]);
  // struct cmsghdr: length 20 (16 of header, 4 of descriptor), level, type; then the descriptor.
  const control = block(
    "control message",
    words([20n, BigInt(SOL_SOCKET) | BigInt(SCM_RIGHTS) << 32n, 0n]),
  );
  const message = block("message", words([0n, 0n, 0n, 1n, 0n, 24n, 0n]), [
    { offset: 16, to: addressIn(vector) },
    { offset: 32, to: addressIn(control) },
  ]);
  const number: Place = { kind: "place", block: control, offset: 16 };
  return [
    { call: "subtract", args: [fd, 0], goal, result: number },
    { call: "sendmsg", args: [socket, addressIn(message), 0], goal },
  ];
}

function words(values: readonly bigint[]): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(values.length * 8));
  values.forEach((value, i) => view.setBigUint64(i * 8, value, true));
  return new Uint8Array(view.buffer);
}

/** Makes `slave` the controlling terminal and the three standard streams. After setsid. */
export function takeTerminal(slave: Place): Step[] {
  const goal = "take the terminal";
  return [
    { call: "ioctl", args: [slave, TIOCSCTTY, 0], goal },
    ...[0, 1, 2].map((stream): Step => ({ call: "dup3", args: [slave, stream, 0], goal })),
  ];
}

/** A fresh pair of slots for a terminal's two ends. */
export function terminalSlots(): { master: Place; slave: Place } {
  return { master: slot("terminal master"), slave: slot("terminal") };
}
