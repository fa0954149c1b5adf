/**
 * Images survive a power cut without waiting for the disk.
 *
 * Flushing a 200 MB image takes longer than all the rest of loading it (1.4 s of 2.3 s on a disk
 * with 150 MB/s), and only a machine that goes down needs it: what a killed process wrote is
 * still there. So blobs, layers and records are renamed into place unflushed, each with a mark that
 * bears the boot id. Marks of this boot mean nothing to readers. Marks of an earlier boot mean the
 * machine may have gone down before the kernel wrote the data: then blobs are hashed again and
 * layers unpacked again, and records that are damaged derived again. Marks older than a minute are flushed and removed by the next writer.
 */
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { openAt } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import type { Store } from "./store.ts";

/** What a mark speaks of: "blob-<hex>", "layer-<hex>" or "record-<hex>". */
export type Unsynced = `${"blob" | "layer" | "record"}-${string}`;

/** After this time the kernel has written the data by itself (dirty_expire_centisecs, 30 s). */
const SETTLE_AFTER_MS = 60_000;
/**
 * A flush waits for everybody's writes to that file system. While there are many, it can wait for
 * a better moment, but not for ever: what is not flushed is hashed again after a power cut.
 */
const QUIET_KB = 16 << 10;
const SETTLE_ANYWAY_AFTER_MS = 15 * 60_000;

let boot: string | undefined;

/** The id of this boot. */
export function bootId(): string {
  return boot ??= Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
}

/** Marks something as written but not flushed. To be called before it gets its final name. */
export function markUnsynced(store: Store, what: Unsynced): void {
  const directory = `${store.unsynced}/${bootId()}`;
  const path = `${directory}/${what}`;
  try {
    Deno.createSync(path).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    Deno.mkdirSync(directory, { recursive: true });
    Deno.createSync(path).close();
  }
}

function namesOf(directory: string): string[] {
  try {
    return Array.from(Deno.readDirSync(directory), (entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Marks left by earlier boots: what they speak of must not be trusted. Cheap: usually empty. */
export function suspects(store: Store): { boot: string; what: Unsynced }[] {
  const boots = namesOf(store.unsynced);
  return boots.filter((name) => name !== bootId()).flatMap((name) =>
    namesOf(`${store.unsynced}/${name}`).map((what) => ({ boot: name, what: what as Unsynced }))
  );
}

/** Forgets the marks of an earlier boot. */
export function forgetBoot(store: Store, name: string): void {
  Deno.removeSync(`${store.unsynced}/${name}`, { recursive: true });
}

/** How much the kernel has still to write, to any disk. proc(5), /proc/meminfo. */
export function unwrittenKb(meminfo: string): number {
  const kb = (key: string) =>
    Number(new RegExp(`^${key}: +(\\d+) kB`, "m").exec(meminfo)?.[1] ?? 0);
  return kb("Dirty") + kb("Writeback");
}

/** Flushes what is old enough to be flushed already, and removes its marks. syncfs(2). */
export function settle(store: Store): void {
  const directory = `${store.unsynced}/${bootId()}`;
  const now = Date.now();
  const ages = namesOf(directory).map((name) => ({
    name,
    ageMs: now - (Deno.statSync(`${directory}/${name}`).mtime?.getTime() ?? now),
  }));
  const old = ages.filter(({ ageMs }) => ageMs > SETTLE_AFTER_MS).map(({ name }) => name);
  if (old.length === 0) return;
  const isUrgent = ages.some(({ ageMs }) => ageMs > SETTLE_ANYWAY_AFTER_MS);
  if (!isUrgent && unwrittenKb(Deno.readTextFileSync("/proc/meminfo")) > QUIET_KB) return;
  using fd = openAt(null, store.images, O_RDONLY | O_DIRECTORY);
  check(`flush "${store.images}"`, "syncfs", fd.raw);
  for (const name of old) {
    try {
      Deno.removeSync(`${directory}/${name}`);
    } catch (error) {
      // Another process settled it at the same time.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
