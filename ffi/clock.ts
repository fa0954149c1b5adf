/** The kernel's own clock: the ticks that it counts (jiffies). */
import { StructWriter } from "./bytes.ts";
import { check } from "./libc.ts";

const CLOCK_MONOTONIC_COARSE = 6;

/** How many ticks a second has (CONFIG_HZ): the coarse clock moves once with each. clock_getres(2). */
export function ticksPerSecond(): number {
  const tick = new StructWriter(16); // struct timespec
  check("learn the kernel's tick", "clock_getres", CLOCK_MONOTONIC_COARSE, tick.bytes);
  return Math.round(1e9 / Number(tick.view.getBigInt64(8, true)));
}
