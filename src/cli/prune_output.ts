/** What the prune commands share: how filters are read, and how it is told what is gone. */
import type { Filters } from "../base/filter.ts";
import { parseMoment } from "../base/time.ts";

/** The moments of `until`, in milliseconds since 1970. */
export function untilMillis(filters: Filters): number[] {
  return (filters.get("until") ?? []).map((text) => Number(parseMoment(text) / 1_000_000n));
}

/** Prints "Deleted Containers:" and the like with a line each, and nothing when there are none. */
export function printDeleted(what: string, lines: readonly string[]): void {
  if (lines.length > 0) console.log(`Deleted ${what}:\n${lines.join("\n")}\n`);
}
