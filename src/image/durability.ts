/**
 * Images survive a power cut without waiting for the disk.
 *
 * Flushing a 200 MB image takes longer than all the rest of loading it (1.4 s of 2.3 s on a disk
 * with 150 MB/s), and only a machine that goes down needs it: what a killed process wrote is
 * still there. So blobs, layers and records are renamed into place unflushed, each with a mark in a
 * directory that bears the boot id and the minute since then. Marks of this boot mean nothing to
 * readers. Marks of an earlier boot mean the machine may have gone down before the kernel wrote the
 * data: then blobs are hashed again and layers unpacked again, and records that are damaged derived
 * again. Marks older than a minute are flushed and removed by the next writer.
 */
import { AT_FDCWD, AT_REMOVEDIR, O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { openAt } from "../../ffi/fd.ts";
import { check, sys } from "../../ffi/libc.ts";
import { namesIn, removeIfThere } from "../base/files.ts";
import type { Store } from "./store.ts";

/** What a mark speaks of: "blob-<hex>", "layer-<hex>" or "record-<hex>". */
export type Unsynced = `${"blob" | "layer" | "record"}-${string}`;

/**
 * Marks of a minute are old when another whole one has passed: by then the kernel has written the
 * data by itself (dirty_expire_centisecs, 30 s).
 */
const SETTLE_AFTER_MINUTES = 2;
/**
 * A flush waits for everybody's writes to that file system. While there are many, it can wait for
 * a better moment, but not for ever: what is not flushed is hashed again after a power cut.
 */
const QUIET_KB = 16 << 10;
const SETTLE_ANYWAY_AFTER_MINUTES = 15;

let boot: string | undefined;

/** The id of this boot. */
function bootId(): string {
  return boot ??= Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
}

/** Minutes since the boot: nobody sets this clock. */
const minute = () => Math.floor(Deno.osUptime() / 60);

/** Marks something as written but not flushed. To be called before it gets its final name. */
export function markUnsynced(store: Store, what: Unsynced): void {
  const directory = `${store.unsynced}/${bootId()}.${minute()}`;
  const path = `${directory}/${what}`;
  try {
    Deno.createSync(path).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    Deno.mkdirSync(directory, { recursive: true });
    Deno.createSync(path).close();
  }
}

/** Marks left by earlier boots: what they speak of must not be trusted. Cheap: usually empty. */
export function suspects(store: Store): { directory: string; what: Unsynced }[] {
  return namesIn(store.unsynced).filter((name) => name.split(".")[0] !== bootId())
    .map((name) => `${store.unsynced}/${name}`)
    .flatMap((directory) =>
      namesIn(directory).map((what) => ({ directory, what: what as Unsynced }))
    );
}

/** Forgets the marks of an earlier boot. */
export function forgetMarks(directory: string): void {
  Deno.removeSync(directory, { recursive: true });
}

/** How much the kernel has still to write, to any disk. proc(5), /proc/meminfo. */
export function unwrittenKb(meminfo: string): number {
  const kb = (key: string) =>
    Number(new RegExp(`^${key}: +(\\d+) kB`, "m").exec(meminfo)?.[1] ?? 0);
  return kb("Dirty") + kb("Writeback");
}

/**
 * Which of these directories of marks have to be flushed now: those of this boot that are old,
 * unless somebody is writing much and none of them is very old. Pure.
 */
export function toSettle(
  directories: readonly string[],
  boot: string,
  now: number,
  isQuiet: () => boolean,
): string[] {
  const aged = directories.map((name) => name.split(".")).filter(([of]) => of === boot)
    // Marks without a minute are of an earlier version.
    .map((parts) => ({ name: parts.join("."), age: now - Number(parts[1] ?? -Infinity) }));
  const old = aged.filter(({ age }) => age >= SETTLE_AFTER_MINUTES);
  if (old.length === 0) return [];
  const isUrgent = old.some(({ age }) => age > SETTLE_ANYWAY_AFTER_MINUTES);
  return isUrgent || isQuiet() ? old.map(({ name }) => name) : [];
}

/** Flushes what is old enough to be flushed already, and removes its marks. syncfs(2). */
export function settle(store: Store): void {
  const isQuiet = () => unwrittenKb(Deno.readTextFileSync("/proc/meminfo")) <= QUIET_KB;
  const settled = toSettle(namesIn(store.unsynced), bootId(), minute(), isQuiet)
    .map((name) => `${store.unsynced}/${name}`);
  if (settled.length === 0) return;
  const marks = settled.flatMap((directory) =>
    namesIn(directory).map((name) => `${directory}/${name}`)
  );
  using fd = openAt(null, store.images, O_RDONLY | O_DIRECTORY);
  check(`flush "${store.images}"`, "syncfs", fd.raw);
  // Another process may settle them at the same time.
  for (const mark of marks) removeIfThere(mark);
  // One that is not empty has a mark that a writer made late: it stays for the next time.
  for (const directory of settled) sys("unlinkat", AT_FDCWD, directory, AT_REMOVEDIR);
}
