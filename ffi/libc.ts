/**
 * The one door to the kernel: syscall(2) of the C library, opened on first use. Everything goes
 * by number through one symbol, because each further symbol of `Deno.dlopen` costs 0.2 ms.
 */
import { cstr } from "./bytes.ts";
import { SyscallError } from "./errno.ts";
import { type SyscallName, syscallNumber } from "./syscalls.ts";

const LIBRARY = "libc.so.6";
const SYSCALL = {
  parameters: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], // long number, ...
  result: "i64",
} as const satisfies Deno.ForeignFunction;
const ERRNO_LOCATION = { parameters: [], result: "pointer" } as const; // int *

/**
 * How often syscall(2) is called by its address. For a function of a library Deno compiles code of
 * its own; that takes 2 ms and makes a call 2 µs shorter, so it pays for who calls it often.
 */
const CALLS_BY_ADDRESS = 1000;

interface Door {
  syscall(...words: [bigint, bigint, bigint, bigint, bigint, bigint, bigint]): bigint;
  /** errno of this thread: its address does not change. */
  readonly errno: Deno.UnsafePointerView;
}

let door: Door | undefined;
let calls = 0;
let openedAsync: AsyncDoor | undefined;

function openByAddress(): Door {
  const symbols = { syscall: { type: "pointer" }, __errno_location: { type: "pointer" } } as const;
  const addresses = Deno.dlopen(LIBRARY, symbols).symbols;
  const at = (address: Deno.PointerValue) => address as Deno.PointerObject<never>;
  const syscall = new Deno.UnsafeFnPointer(at(addresses.syscall), SYSCALL);
  const location = new Deno.UnsafeFnPointer(at(addresses.__errno_location), ERRNO_LOCATION);
  return {
    syscall: (...words) => syscall.call(...words),
    errno: new Deno.UnsafePointerView(location.call()!),
  };
}

function open(): Door {
  if (++calls === CALLS_BY_ADDRESS) {
    door = { ...door!, syscall: Deno.dlopen(LIBRARY, { syscall: SYSCALL }).symbols.syscall };
  }
  return door ??= openByAddress();
}

const ASYNC_SYMBOLS = { syscall: { ...SYSCALL, nonblocking: true } } as const;
type AsyncDoor = Deno.StaticForeignLibraryInterface<typeof ASYNC_SYMBOLS>;
const openAsync = () => openedAsync ??= Deno.dlopen(LIBRARY, ASYNC_SYMBOLS).symbols;

/**
 * What a call takes: a number as it is, a string as a C string, bytes as their address (the
 * kernel may write there), null as NULL.
 */
export type Arg = number | bigint | string | Uint8Array<ArrayBuffer> | null;

/** The address of the first byte of `bytes`; valid as long as `bytes` is reachable. */
export function addressOf(bytes: Uint8Array<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
}

/** Words for the call, and the buffers that must outlive it. */
function words(args: readonly Arg[]): { values: bigint[]; keep: Uint8Array[] } {
  const values = [0n, 0n, 0n, 0n, 0n, 0n];
  const keep: Uint8Array[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (typeof arg === "number") values[i] = BigInt(arg);
    else if (typeof arg === "bigint") values[i] = arg;
    else if (arg !== null) {
      const bytes = typeof arg === "string" ? cstr(arg) : arg;
      keep.push(bytes);
      values[i] = addressOf(bytes);
    }
  }
  return { values, keep };
}

function raw(call: SyscallName, args: readonly Arg[]): bigint {
  const { values, keep } = words(args);
  const [a, b, c, d, e, f] = values;
  const { syscall, errno } = open();
  const result = syscall(BigInt(syscallNumber(call)), a, b, c, d, e, f);
  // errno is read before anything else can run on this thread.
  const outcome = result === -1n ? -BigInt(errno.getInt32()) : result;
  keep.length = 0; // the buffers had to be reachable until here
  return outcome;
}

/** Makes the call; its result, or the negative error number. Never throws for a kernel error. */
export function sys(call: SyscallName, ...args: Arg[]): number {
  return Number(raw(call, args));
}

/** The same for calls whose result is an address (mmap). */
export function sysAddress(call: SyscallName, ...args: Arg[]): bigint {
  return raw(call, args);
}

/** Makes the call and throws SyscallError "Cannot <goal>: <call>: <ERRNO>" if it fails. */
export function check(goal: string, call: SyscallName, ...args: Arg[]): number {
  const result = sys(call, ...args);
  if (result < 0) throw new SyscallError(call, -result, goal);
  return result;
}

/**
 * Makes a call that may wait on Deno's thread pool. The result is as that of `sys`, except that
 * every error is -1: errno belongs to the pool's thread, so use it where the kind does not matter.
 */
export async function sysAsync(call: SyscallName, ...args: Arg[]): Promise<number> {
  const { values, keep } = words(args);
  const [a, b, c, d, e, f] = values;
  const result = await openAsync().syscall(BigInt(syscallNumber(call)), a, b, c, d, e, f);
  keep.length = 0; // the buffers had to be reachable until here
  return Number(result);
}
