/** Waiting for descriptors. Source: poll(2). */
import { sys, sysAsync } from "./libc.ts";

/** A descriptor and the events waited for (POLLIN, POLLOUT). */
export interface Interest {
  readonly fd: number;
  readonly events: number;
}

function entries(interests: readonly Interest[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8 * interests.length);
  const view = new DataView(bytes.buffer);
  interests.forEach(({ fd, events }, i) => {
    view.setInt32(i * 8, fd, true);
    view.setInt16(i * 8 + 4, events, true);
  });
  return bytes;
}

/** What happened to each, in the same order: 0 for nothing. */
function happened(bytes: Uint8Array<ArrayBuffer>): number[] {
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 8 }, (_, i) => view.getInt16(i * 8 + 6, true));
}

/**
 * Waits on a thread of the pool until something happens to one of them, at most `timeoutMs` (-1:
 * for ever). Events per descriptor, all 0 when the time was up or a signal came between.
 */
export async function poll(interests: readonly Interest[], timeoutMs = -1): Promise<number[]> {
  const bytes = entries(interests);
  await sysAsync("ppoll", bytes, interests.length, time(timeoutMs), null, 8);
  return happened(bytes);
}

/** What is the case now; waits at most `timeoutMs` (-1: for ever), and this thread with it. */
export function pollNow(interests: readonly Interest[], timeoutMs = 0): number[] {
  const bytes = entries(interests);
  sys("ppoll", bytes, interests.length, time(timeoutMs), null, 8);
  return happened(bytes);
}

function time(timeoutMs: number): Uint8Array<ArrayBuffer> | null {
  if (timeoutMs < 0) return null;
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, BigInt(Math.trunc(timeoutMs / 1000)), true);
  view.setBigInt64(8, BigInt(Math.trunc(timeoutMs % 1000 * 1e6)), true);
  return bytes;
}
