/**
 * Lets one call of this process fail: a system call, a netlink request, a step of a program that
 * runs aside, a file call of Deno's, or the execution of a program. What src/ does at the edge goes
 * through few doors; here each of them counts what comes by. To be made before the first call.
 */
import { type SyscallName, syscallNumber } from "../../ffi/syscalls.ts";

/** Those system calls that can fail; the others cannot, or are how one takes things back. */
const CALLS: readonly SyscallName[] = [
  ...["openat", "openat2", "mkdirat", "mknodat", "renameat2", "flock", "fcntl", "ioctl"] as const,
  ...["socket", "socketpair", "bind", "listen", "setsockopt", "getsockname", "sendmsg"] as const,
  ...["recvmsg", "sendto", "recvfrom", "connect", "pipe2", "dup3", "write", "writev"] as const,
  ...["read", "memfd_create", "fallocate", "mmap", "mprotect", "clone3", "unshare"] as const,
  ...["setns", "pidfd_open", "mount", "open_tree", "move_mount", "mount_setattr"] as const,
  ...["bpf", "setsid", "execveat", "execve", "prctl", "fstat", "newfstatat", "chdir"] as const,
];
/** How one takes things back: they fail only where that is what a test is about. */
const UNDOING: readonly SyscallName[] = ["unlinkat", "umount2"];

const FILE_CALLS = [
  ...["readTextFileSync", "readFileSync", "readDirSync", "readLinkSync", "statSync", "lstatSync"],
  ...["writeTextFileSync", "writeFileSync", "openSync", "renameSync", "mkdirSync", "symlinkSync"],
  ...["linkSync", "chmodSync", "chownSync", "truncateSync", "realPathSync"],
] as const;

const ENOMEM = 12;
const ENOSPC = 28;
const NETLINK_HEADER = 16;
/** No request has this type: the kernel answers EOPNOTSUPP. */
const NO_REQUEST = 0xfff0;
const STEP_WORDS = 12;

/** How the one call fails; as if there were no memory by default. */
export interface Failure {
  readonly errno?: number;
  /** Sends or receives half of it, and says so: for sendto and recvfrom alone. */
  readonly isCut?: boolean;
  /** Happens before the call, which does not fail by itself. */
  readonly before?: () => void;
  /** All calls of its kind from this one on fail. */
  readonly isLasting?: boolean;
}

type Syscall = (...words: bigint[]) => bigint | Promise<bigint>;

/** What goes by, and the one that fails. Disposing puts everything back. */
export class HostFaults implements Disposable {
  /** Every call since the last `watch`, by what it is: "openat 3" is the third of its kind. */
  seen: string[] = [];
  #wanted: string | undefined;
  #how: Failure = {};
  #counts = new Map<string, number>();
  #watching = false;
  #undo = new DisposableStack();
  #errno: Int32Array | undefined;

  readonly #names: ReadonlyMap<number, SyscallName>;

  /** With `undoing`, what takes things back can fail as well. */
  constructor(undoing = false) {
    const calls = undoing ? [...CALLS, ...UNDOING] : CALLS;
    this.#names = new Map(calls.map((name) => [syscallNumber(name), name]));
    for (const name of FILE_CALLS) this.#guardFileCall(name);
    if (undoing) this.#guardFileCall("removeSync");
    this.#guardWrites();
    this.#guardPrograms();
    this.#guardLibrary();
    this.#guardFunctions();
  }

  /** Counts from here on and lets `wanted` fail, until `rest`. */
  watch(wanted?: string, how: Failure = {}): void {
    this.#wanted = wanted;
    this.#how = how;
    this.#counts.clear();
    this.seen = [];
    this.#watching = true;
  }

  /** Nothing fails any more. */
  rest(): void {
    this.#watching = false;
  }

  /** Is this the one that is to fail? */
  #fails(kind: string): boolean {
    if (!this.#watching) return false;
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    this.seen.push(`${kind} ${count}`);
    const [, wanted, from] = /^(.*) (\d+)$/.exec(this.#wanted ?? "") ?? [];
    const fails = kind === wanted &&
      (this.#how.isLasting ? count >= Number(from) : count === Number(from));
    if (fails && Deno.env.has("FAULTS_LOG")) console.error(new Error(this.#wanted).stack);
    return fails;
  }

  #replace<K extends keyof typeof Deno>(name: K, by: unknown): void {
    const before = Object.getOwnPropertyDescriptor(Deno, name)!;
    Object.defineProperty(Deno, name, { value: by, configurable: true, writable: true });
    this.#undo.defer(() => Object.defineProperty(Deno, name, before));
  }

  #guardFileCall(name: typeof FILE_CALLS[number] | "removeSync"): void {
    const real = Deno[name] as (...args: unknown[]) => unknown;
    this.#replace(name, (...args: unknown[]) => {
      if (!this.#fails(name)) return real(...args);
      // A full disk is noticed after a part was written.
      if (name === "writeTextFileSync") {
        real(args[0], String(args[1]).slice(0, String(args[1]).length / 2), args[2]);
      }
      throw systemError(name.startsWith("write") ? ENOSPC : ENOMEM, `${name} '${args[0]}'`);
    });
  }

  #guardWrites(): void {
    const prototype = Deno.FsFile.prototype;
    const { writeSync, syncSync } = prototype;
    // deno-lint-ignore no-this-alias
    const faults = this;
    prototype.writeSync = function (bytes) {
      if (!faults.#fails("writeSync")) return writeSync.call(this, bytes);
      writeSync.call(this, bytes.subarray(0, bytes.length / 2));
      throw systemError(ENOSPC, "write");
    };
    this.#undo.defer(() => Object.assign(prototype, { writeSync, syncSync }));
  }

  /** Executed programs: one that fails says so and has done nothing. */
  #guardPrograms(): void {
    const Real = Deno.Command;
    const fails = (name: string) => this.#fails(`program ${name}`);
    const failed = {
      success: false,
      code: 4,
      signal: null,
      stdout: new Uint8Array(),
      stderr: new TextEncoder().encode("the test lets it fail"),
    };
    this.#replace(
      "Command",
      class extends Real {
        readonly #name: string;
        constructor(command: string | URL, options?: Deno.CommandOptions) {
          super(command, options);
          this.#name = String(command).split("/").pop()!;
        }
        override output() {
          return fails(this.#name) ? Promise.resolve(failed as never) : super.output();
        }
      },
    );
  }

  /** syscall(2) as a function of the library, which it is once it was called often. */
  #guardLibrary(): void {
    const real = Deno.dlopen;
    this.#replace("dlopen", (file: string, definitions: Deno.ForeignLibraryInterface) => {
      const library = real(file, definitions);
      const symbols = library.symbols as Record<string, unknown>;
      if (typeof symbols.syscall !== "function") return library;
      return {
        ...library,
        symbols: { ...symbols, syscall: this.#guarded(symbols.syscall as Syscall) },
      };
    });
  }

  #guarded(call: Syscall): Syscall {
    return (...words) => {
      const name = this.#names.get(Number(words[0]));
      const isRequest = name === "sendto" && isNetlink(words);
      if (isRequest) this.#spoilRequest(words);
      if (name === undefined || !this.#fails(isRequest ? "netlink sendto" : name)) {
        return call(...words);
      }
      return this.#fail(call, words);
    };
  }

  #fail(call: Syscall, words: bigint[]): bigint | Promise<bigint> {
    const { errno = ENOMEM, isCut, before } = this.#how;
    if (before !== undefined) {
      this.rest();
      before();
      this.#watching = true;
      return call(...words);
    }
    if (!isCut) {
      this.#errno![0] = errno;
      return -1n;
    }
    const name = this.#names.get(Number(words[0]));
    if (name === "sendto") return call(...words.with(3, BigInt(words[3]) / 2n));
    // Half of a socket's number is the number of somebody else's file.
    if (name !== "recvfrom") throw new Error(`there is no half of ${name}`);
    const count = BigInt(call(...words) as bigint);
    return count > 1n ? count / 2n : count;
  }

  /** Each message of a batch is a request of its own: the kernel refuses the one that is to fail. */
  #spoilRequest([, , address, length]: bigint[]): void {
    const view = memory(address, Number(length));
    for (let at = 0; at < view.byteLength;) {
      const kind = `netlink ${view.getUint16(at + 4, true)}`;
      if (this.#fails(kind)) view.setUint16(at + 4, NO_REQUEST, true);
      at += (view.getUint32(at, true) + 3) & ~3;
    }
  }

  /**
   * Functions by address: syscall(2), errno's, and the interpreter of programs, which run in a
   * child of ours or on this thread and are found by walking their steps.
   */
  #guardFunctions(): void {
    const Real = Deno.UnsafeFnPointer;
    const guarded = (of: Deno.ForeignFunction, call: Syscall): Syscall => {
      const parameters = String(of.parameters);
      if (parameters === "u64,u64") {
        return (firstStep, state) => {
          this.#spoilProgram(firstStep, state);
          return call(firstStep, state);
        };
      }
      if (parameters === "i64,i64,i64,i64,i64,i64,i64") return this.#guarded(call);
      if (parameters !== "" || of.result !== "pointer") return call;
      return () => {
        const at = call() as unknown as Deno.PointerObject;
        this.#errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(at, 4));
        return at as never;
      };
    };
    this.#replace(
      "UnsafeFnPointer",
      class {
        readonly call: Syscall;
        constructor(pointer: Deno.PointerObject<Deno.ForeignFunction>, of: Deno.ForeignFunction) {
          const real = new Real(pointer, of);
          this.call = guarded(of, (...words) => real.call(...words as never[]) as never);
        }
      },
    );
  }

  #spoilProgram(firstStep: bigint, state: bigint): void {
    const pending = [firstStep, memory(state, 24).getBigUint64(16, true)];
    const known = new Set<bigint>();
    for (let step = pending.shift(); step !== undefined; step = pending.shift()) {
      if (step <= 1n || known.has(step)) continue;
      known.add(step);
      const view = memory(step, STEP_WORDS * 8);
      const name = this.#names.get(Number(view.getBigInt64(0, true)));
      if (name !== undefined && this.#fails(`step ${name}`)) {
        view.setBigInt64(0, BigInt(syscallNumber("close")), true);
        view.setBigInt64(8, -1n, true);
        view.setBigInt64(56, 0n, true);
      }
      for (const target of [9, 10, 11]) pending.push(view.getBigUint64(target * 8, true));
    }
  }

  [Symbol.dispose](): void {
    this.#undo[Symbol.dispose]();
  }
}

function memory(address: bigint, length: number): DataView {
  const pointer = Deno.UnsafePointer.create(address)!;
  return new DataView(Deno.UnsafePointerView.getArrayBuffer(pointer, length));
}

/** Requests of route netlink go to no address and begin with their length. */
function isNetlink([, , address, length, , to]: bigint[]): boolean {
  if (to !== 0n || length < NETLINK_HEADER) return false;
  const first = memory(address, NETLINK_HEADER).getUint32(0, true);
  return first >= NETLINK_HEADER && first <= Number(length);
}

/** As Deno throws it where it has no class for the error. */
function systemError(errno: number, what: string): Error {
  const text = errno === ENOSPC ? "No space left on device" : "Cannot allocate memory";
  return new Error(`${text} (os error ${errno}): ${what}`);
}
