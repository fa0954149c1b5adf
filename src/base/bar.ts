/** How far something has got, as a text. Pure. */
import { formatDuration, SECOND } from "./duration.ts";
import { formatSize } from "./units.ts";

const BAR_CELLS = 50;
const BAR_COLUMNS = 110; // a narrower terminal has no room for the bar
const TIME_COLUMNS = 50;

/** `[=====>     ]  12.3MB/45MB 3s`, as much of it as `columns` have room for. */
export function bar(done: number, total: number, elapsedMs: number, columns: number): string {
  const have = formatSize(done, 4).padStart(8);
  if (total <= 0) return have;
  const cells = Math.min(BAR_CELLS, Math.trunc(Math.trunc((done / total) * 100) / 2));
  const box = columns > BAR_COLUMNS
    ? `[${"=".repeat(cells)}>${" ".repeat(BAR_CELLS - cells)}] `
    : "";
  if (done > total) return box + have;
  const counts = `${have}/${formatSize(total, 4)}`;
  if (done <= 0 || elapsedMs <= 0 || cells >= BAR_CELLS || columns <= TIME_COLUMNS) {
    return box + counts;
  }
  const leftSeconds = Math.trunc(((elapsedMs / done) * (total - done)) / 1000);
  return `${box}${counts} ${formatDuration(BigInt(leftSeconds) * SECOND)}`;
}
