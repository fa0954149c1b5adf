/** The present, as records and logs write it. */

/** Now, RFC 3339 in UTC with nine digits after the second; the clock behind it has microseconds. */
export function now(): string {
  const ms = performance.timeOrigin + performance.now();
  const seconds = Math.floor(ms / 1000);
  const nanos = Math.floor((ms - seconds * 1000) * 1000) * 1000;
  const date = new Date(seconds * 1000).toISOString().slice(0, 19);
  return `${date}.${String(nanos).padStart(9, "0")}Z`;
}
