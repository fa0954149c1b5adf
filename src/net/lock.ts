/** The one lock of an engine's networks: whoever changes rules or names of several holds it. */
import { lockFile } from "../../ffi/fd.ts";
import { lockPath, type NetPlaces } from "./places.ts";

// flock(2) blocks the thread: two tasks of this process have to queue before they come to it.
let last: Promise<unknown> = Promise.resolve();

async function underLock<T>(places: NetPlaces, body: () => Promise<T> | T): Promise<T> {
  Deno.mkdirSync(places.run, { recursive: true, mode: 0o711 });
  using _lock = lockFile(lockPath(places));
  return await body();
}

/** Runs `body` while nobody else changes rules, names or networks. Not reentrant. */
export function locked<T>(places: NetPlaces, body: () => Promise<T> | T): Promise<T> {
  const run = last.then(() => underLock(places, body));
  last = run.catch(() => {});
  return run;
}
