/** Work that has no way of its own to be ended. */

/**
 * The result of `work`, or the reason of an abort as soon as there is one; the work may go on until
 * the process ends, and what it leaves in its session is swept.
 */
export async function orAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
    work.catch(() => {}); // the abort is what is told
  }
}
