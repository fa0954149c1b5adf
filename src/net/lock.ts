/** The one lock of an engine's networks: whoever changes rules or names of several holds it. */
import { F_SETFD } from "../../ffi/constants.ts";
import { lockFile } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import { makeDirectories } from "../base/files.ts";
import { lockPath, type NetPlaces } from "./places.ts";

// flock(2) blocks the thread: two tasks of this process have to queue before they come to it.
let last: Promise<unknown> = Promise.resolve();

async function underLock<T>(places: NetPlaces, body: () => Promise<T> | T): Promise<T> {
  makeDirectories(places.run, 0o711);
  using lock = lockFile(lockPath(places));
  // The firewall's programs inherit it: if we are killed, nobody changes rules before they ended.
  check("share the lock of networks", "fcntl", lock.raw, F_SETFD, 0);
  return await body();
}

/** Runs `body` while nobody else changes rules, names or networks. Not reentrant. */
export function locked<T>(places: NetPlaces, body: () => Promise<T> | T): Promise<T> {
  const run = last.then(() => underLock(places, body));
  last = run.catch(() => {});
  return run;
}
