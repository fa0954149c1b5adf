/** Sets of CPUs as the kernel writes them: "0-2,7". cpuset(7), "List format". */
import { UserError } from "../base/errors.ts";

/** CPUs a mask may have: more than any kernel is built for. */
const MAX_CPUS = 8192;

/** The numbers of a list, in its order. Throws UserError for what is none. */
export function cpuList(text: string): number[] {
  return text.trim().split(",").filter(Boolean).flatMap((range) => {
    const match = /^(\d+)(?:-(\d+))?$/.exec(range.trim());
    const first = Number(match?.[1]), last = Number(match?.[2] ?? match?.[1]);
    if (match === null || last < first || last >= MAX_CPUS) {
      throw new UserError(`Cannot use CPU list "${text}": "${range}" is none`);
    }
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** The mask of sched_setaffinity(2) for a list. */
export function cpuMask(text: string): Uint8Array<ArrayBuffer> {
  const cpus = cpuList(text);
  if (cpus.length === 0) throw new UserError(`Cannot use CPU list "${text}": it is empty`);
  const mask = new Uint8Array(8 * (Math.floor(Math.max(...cpus) / 64) + 1));
  for (const cpu of cpus) mask[cpu >> 3] |= 1 << (cpu & 7);
  return mask;
}
