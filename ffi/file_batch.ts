/**
 * Makes many small files and symbolic links with one call of the interpreter: a call from
 * JavaScript costs more than what the kernel does for a file of a few kilobytes. The steps are
 * written straight into memory; a program of typed steps would cost as much as the calls it saves.
 */
import { Arena } from "./arena.ts";
import { AT_SYMLINK_NOFOLLOW } from "./constants.ts";
import { addressOf, sys } from "./libc.ts";
import { interpreterFunction } from "./spawn.ts";
import { syscallNumber } from "./syscalls.ts";

/** Files and links of one batch at most. */
const MAX_ENTRIES = 128;
const MAX_STEPS = MAX_ENTRIES * 7;
/** NAME_MAX and a NUL; the kernel takes no longer name. */
const NAME_BYTES = 256;
const STEP_WORDS = 12;
const STEP_BYTES = STEP_WORDS * 8;
/** Where things lie in the arena: the state, then results, times, steps, names. */
const RESULTS = 64;
const TIMES = RESULTS + MAX_ENTRIES * 16;
const STEPS = TIMES + MAX_ENTRIES * 32;
const NAMES = STEPS + MAX_STEPS * STEP_BYTES;
const NAME_ROOM = MAX_ENTRIES * 2 * NAME_BYTES;
const SUBTRACT = -1;
const END = 1;

/** Owner, rights and time to give. `chown`, `chmod`: whether they differ from those of a new file. */
export interface NewMetadata {
  uid: number;
  gid: number;
  mode: number;
  seconds: number;
  nanos: number;
  chown: boolean;
  chmod: boolean;
}

/** What did not succeed, and whether its name was made before. */
export interface Unmade {
  index: number;
  made: boolean;
}

/** Files to be made, in order. Names are byte strings; a batch is used again after each run. */
export class FileBatch implements Disposable {
  readonly #arena = new Arena(NAMES + NAME_ROOM);
  readonly #bytes = this.#arena.bytes();
  readonly #words = new Int32Array(this.#bytes.buffer, this.#bytes.byteOffset, NAMES / 4);
  readonly #base = this.#arena.address;
  readonly #numbers = {
    openat: syscallNumber("openat"),
    write: syscallNumber("write"),
    fchown: syscallNumber("fchown"),
    fchmod: syscallNumber("fchmod"),
    utimensat: syscallNumber("utimensat"),
    close: syscallNumber("close"),
    symlinkat: syscallNumber("symlinkat"),
    fchownat: syscallNumber("fchownat"),
  };
  /** First step of each entry, and the result of its first call: a descriptor for files. */
  readonly #first: number[] = [];
  #steps = 0;
  #names = NAMES;
  /** Keeps what the kernel reads reachable. */
  readonly #keep: Uint8Array[] = [];

  get size(): number {
    return this.#first.length;
  }

  /** Whether there is room for one more, whose names have so many bytes. */
  fits(nameBytes: number): boolean {
    return this.size < MAX_ENTRIES && this.#names + nameBytes + 2 <= NAMES + NAME_ROOM;
  }

  /** A new file with this content, which must stay as it is until the run. openat(2) `flags`. */
  file(
    dirFd: number,
    name: string,
    flags: number,
    data: Uint8Array<ArrayBuffer> | undefined,
    meta: NewMetadata,
  ): void {
    const index = this.#begin();
    const fd = this.#base + RESULTS + index * 16;
    const call = this.#numbers;
    this.#step(call.openat, 0, dirFd, this.#name(name), flags, meta.mode & 0o777, fd);
    if (data !== undefined) {
      this.#keep.push(data);
      const written = fd + 8;
      this.#step(call.write, 1, fd, Number(addressOf(data)), data.length, 0, written);
      this.#step(SUBTRACT, 1, written, data.length, 0, 0, 0);
    }
    if (meta.chown) this.#step(call.fchown, 1, fd, meta.uid, meta.gid, 0, 0);
    if (meta.chmod) this.#step(call.fchmod, 1, fd, meta.mode, 0, 0, 0);
    this.#step(call.utimensat, 1, fd, 0, this.#times(index, meta), 0, 0);
    this.#step(call.close, 1, fd, 0, 0, 0, 0);
  }

  /** A new symbolic link. */
  link(dirFd: number, name: string, target: string, meta: NewMetadata): void {
    const index = this.#begin();
    const call = this.#numbers;
    const at = this.#name(name);
    this.#step(call.symlinkat, 0, this.#name(target), dirFd, at, 0, 0);
    if (meta.chown) {
      this.#step(call.fchownat, 0, dirFd, at, meta.uid, meta.gid, 0, AT_SYMLINK_NOFOLLOW);
    }
    this.#step(call.utimensat, 0, dirFd, at, this.#times(index, meta), AT_SYMLINK_NOFOLLOW, 0);
  }

  /** Makes all. The first that failed ends it: those behind it are not tried. */
  run(): Unmade | undefined {
    if (this.size === 0) return undefined;
    // The last step ends the program.
    this.#word(STEPS + (this.#steps - 1) * STEP_BYTES + 80, END);
    this.#word(STEPS + (this.#steps - 1) * STEP_BYTES + 88, END);
    this.#words.fill(0, 0, RESULTS / 4);
    interpreterFunction()(this.#base + STEPS, this.#base);
    const failed = (this.#words[0] >>> 0) + this.#words[1] * 0x100000000;
    const unmade = failed === 0 ? undefined : this.#unmade(failed);
    this.#first.length = this.#keep.length = this.#steps = 0;
    this.#names = NAMES;
    return unmade;
  }

  #unmade(address: number): Unmade {
    const step = (address - this.#base - STEPS) / STEP_BYTES;
    let index = this.#first.length - 1;
    while (this.#first[index] > step) index--;
    const made = step > this.#first[index];
    const isFile = this.#words[(STEPS + this.#first[index] * STEP_BYTES) / 4] ===
      this.#numbers.openat;
    if (made && isFile) sys("close", this.#words[(RESULTS + index * 16) / 4]);
    return { index, made };
  }

  #begin(): number {
    return this.#first.push(this.#steps) - 1;
  }

  #word(at: number, value: number): void {
    this.#words[at / 4] = value;
    this.#words[at / 4 + 1] = value < 0 ? -1 : value / 0x100000000;
  }

  /** `flags` 1: the first argument is the address of its value. A negative result is a failure. */
  #step(
    nr: number,
    flags: number,
    a: number,
    b: number,
    c: number,
    d: number,
    result: number,
    e = 0,
  ): void {
    const at = STEPS + this.#steps++ * STEP_BYTES;
    const next = this.#base + at + STEP_BYTES;
    const values = this.#row;
    values[0] = nr;
    values[1] = a;
    values[2] = b;
    values[3] = c;
    values[4] = d;
    values[5] = e;
    values[7] = flags;
    values[8] = result;
    values[10] = values[11] = next;
    for (let i = 0; i < STEP_WORDS; i++) this.#word(at + i * 8, values[i]);
  }
  readonly #row = new Float64Array(STEP_WORDS);

  #name(text: string): number {
    const at = this.#names;
    for (let i = 0; i < text.length; i++) this.#bytes[at + i] = text.charCodeAt(i);
    this.#bytes[at + text.length] = 0;
    this.#names = at + text.length + 1;
    return this.#base + at;
  }

  /** Two struct timespec: access and change. */
  #times(index: number, { seconds, nanos }: NewMetadata): number {
    const at = TIMES + index * 32;
    for (const half of [at, at + 16]) {
      this.#words[half / 4] = seconds;
      this.#words[half / 4 + 1] = Math.floor(seconds / 0x100000000);
      this.#words[half / 4 + 2] = nanos;
      this.#words[half / 4 + 3] = 0;
    }
    return this.#base + at;
  }

  [Symbol.dispose](): void {
    this.#arena[Symbol.dispose]();
  }
}
