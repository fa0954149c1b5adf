/** Memory of our own: out of the collector's reach, and where machine code may run. */
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE } from "./constants.ts";
import { SyscallError } from "./errno.ts";
import { check, sysAddress } from "./libc.ts";

const PAGE = 4096;

/** Anonymous memory outside the reach of the collector. Only what is written takes space. */
export class Arena implements Disposable {
  readonly address: number;
  readonly size: number;
  constructor(bytes: number) {
    this.size = Math.ceil(bytes / PAGE) * PAGE;
    const protection = PROT_READ | PROT_WRITE;
    const at = sysAddress("mmap", 0, this.size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at < 0n && at > -4096n) throw new SyscallError("mmap", Number(-at), "get memory");
    this.address = Number(at);
  }
  bytes(): Uint8Array<ArrayBuffer> {
    const pointer = Deno.UnsafePointer.create(BigInt(this.address))!;
    return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, this.size));
  }
  [Symbol.dispose](): void {
    check("give memory back", "munmap", this.address, this.size);
  }
}

/** Puts machine code where it may run and no longer be written, for the life of the process. */
export function executable(code: Uint8Array): bigint {
  const arena = new Arena(code.length);
  arena.bytes().set(code);
  check("protect code", "mprotect", arena.address, arena.size, PROT_READ | PROT_EXEC);
  return BigInt(arena.address);
}
