/** The user's terminal: size, raw mode. Sources: ioctl_tty(2), termios(3), asm-generic/termbits.h. */
import { TCGETS, TCSETS, TIOCGWINSZ, TIOCSWINSZ } from "./constants.ts";
import type { Fd } from "./fd.ts";
import { sys } from "./libc.ts";

/** Characters a terminal has room for. */
export interface WindowSize {
  readonly height: number;
  readonly width: number;
}

/** struct termios of the kernel: four words of flags, the line discipline, 19 characters. */
const TERMIOS_BYTES = 36;
const IFLAG = 0, OFLAG = 4, CFLAG = 8, LFLAG = 12, CC = 17;
const VTIME = 5, VMIN = 6;
/** IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON. */
const INPUT_FLAGS = 0o2753;
/** OPOST. */
const OUTPUT_FLAGS = 0o1;
/** ECHO ECHONL ICANON ISIG IEXTEN. */
const LOCAL_FLAGS = 0o100113;
/** CSIZE PARENB, and CS8. */
const CONTROL_FLAGS = 0o460, CS8 = 0o60;

function settings(fd: number): Uint8Array<ArrayBuffer> | undefined {
  const bytes = new Uint8Array(TERMIOS_BYTES);
  return sys("ioctl", fd, TCGETS, bytes) < 0 ? undefined : bytes;
}

/** Whether `fd` is a terminal. */
export function isTerminal(fd: number): boolean {
  return settings(fd) !== undefined;
}

/** The size of the terminal `fd`; undefined when it is none. */
export function windowSize(fd: number): WindowSize | undefined {
  const bytes = new Uint8Array(8);
  if (sys("ioctl", fd, TIOCGWINSZ, bytes) < 0) return undefined;
  const view = new DataView(bytes.buffer);
  return { height: view.getUint16(0, true), width: view.getUint16(2, true) };
}

/** Tells the terminal behind `master` its size; its foreground processes get SIGWINCH. */
export function setWindowSize(master: Fd, { height, width }: WindowSize): void {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, height, true);
  view.setUint16(2, width, true);
  sys("ioctl", master.raw, TIOCSWINSZ, bytes);
}

/** The settings of a terminal that passes every key on, from those it has; as cfmakeraw(3). */
export function rawSettings(before: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const bytes = before.slice();
  const view = new DataView(bytes.buffer);
  const clear = (at: number, flags: number, set = 0) =>
    view.setUint32(at, view.getUint32(at, true) & ~flags | set, true);
  clear(IFLAG, INPUT_FLAGS);
  clear(OFLAG, OUTPUT_FLAGS);
  clear(LFLAG, LOCAL_FLAGS);
  clear(CFLAG, CONTROL_FLAGS, CS8);
  bytes[CC + VMIN] = 1;
  bytes[CC + VTIME] = 0;
  return bytes;
}

/** Puts the terminal `fd` into raw mode until disposed; does nothing when it is none. */
export function rawMode(fd: number): Disposable {
  const before = settings(fd);
  if (before !== undefined) sys("ioctl", fd, TCSETS, rawSettings(before));
  return {
    [Symbol.dispose]() {
      if (before !== undefined) sys("ioctl", fd, TCSETS, before);
    },
  };
}
