/** How much memory of the kernel's a process may hold; setrlimit(2), RLIMIT_MEMLOCK. */
import { EPERM } from "./errno.ts";
import { sys } from "./libc.ts";

const RLIMIT_MEMLOCK = 8;

/**
 * Makes a call, and once more without that limit if it is refused: before Linux 5.11 programs and
 * maps of BPF count as locked memory of their user. The limit is restored, for what is started
 * later inherits it. The result, or the negative error number of the first refusal.
 */
export function withLockedMemory(call: () => number): number {
  const first = call();
  if (first !== -EPERM) return first;
  const before = new Uint8Array(16); // struct rlimit64: current, most
  const unlimited = new Uint8Array(16).fill(0xff);
  if (sys("prlimit64", 0, RLIMIT_MEMLOCK, unlimited, before) < 0) return first;
  const second = call();
  sys("prlimit64", 0, RLIMIT_MEMLOCK, before, null);
  return second;
}
