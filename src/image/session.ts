/**
 * A writer's stay in the store: a directory for half-made things, and the promise that nobody
 * collects garbage meanwhile. What a killed writer left is removed by the next one.
 */
import type { Fd } from "../../ffi/fd.ts";
import { forgetMarks, settle, suspects } from "./durability.ts";
import { parseDigest } from "./digest.ts";
import { lock, tryLock } from "./locks.ts";
import { isThere, type Store } from "./store.ts";
import { removePath } from "./remove_path.ts";

/** Interrupted downloads are kept this long. */
const KEEP_PARTS_MS = 7 * 24 * 3600_000;
/** A temporary name older than this belongs to nobody: such files live for milliseconds. */
const KEEP_TEMPORARY_MS = 60_000;

/** A writer. Dispose it when all is renamed into place. */
export class Session implements Disposable {
  #counter = 0;
  private constructor(
    readonly store: Store,
    readonly directory: string,
    readonly locks: Fd[],
  ) {}

  /** Waits while garbage is collected, then sweeps and opens. */
  static async open(store: Store): Promise<Session> {
    store.create();
    const gc = await lock(store.lock("gc"), "shared");
    sweep(store);
    const lost = await distrust(store);
    settle(store);
    const session = Session.#make(store, gc);
    if (lost) await (await import("./repair.ts")).repairImages(session);
    return session;
  }

  static #make(store: Store, gc: Fd): Session {
    for (let n = 0;; n++) {
      const directory = `${store.tmp}/${Deno.pid}-${n}`;
      const own = tryLock(`${directory}.lock`, "exclusive");
      if (own === undefined) continue;
      if (isThere(directory)) removePath(directory);
      Deno.mkdirSync(directory, { mode: 0o700 });
      return new Session(store, directory, [own, gc]);
    }
  }

  /** A path nobody uses, for something that is renamed away when it is whole. */
  temporary(kind: string): string {
    return `${this.directory}/${kind}-${this.#counter++}`;
  }

  [Symbol.dispose](): void {
    removePath(this.directory);
    Deno.removeSync(`${this.directory}.lock`);
    for (const fd of this.locks) fd[Symbol.dispose]();
  }
}

/** Removes what dead writers left behind. */
function sweep(store: Store): void {
  for (const entry of Deno.readDirSync(store.tmp)) {
    if (!entry.name.endsWith(".lock")) continue;
    const path = `${store.tmp}/${entry.name}`;
    using dead = tryLock(path, "exclusive");
    if (dead === undefined) continue;
    removePath(path.slice(0, -".lock".length));
    removePath(path);
  }
  removeOld(store.parts, KEEP_PARTS_MS, () => true);
  for (const directory of [store.images, store.records]) {
    removeOld(directory, KEEP_TEMPORARY_MS, (name) => /\.tmp-\d+-\d+$/.test(name));
  }
}

function removeOld(directory: string, keepMs: number, matches: (name: string) => boolean): void {
  for (const entry of Deno.readDirSync(directory)) {
    if (!entry.isFile || !matches(entry.name)) continue;
    const path = `${directory}/${entry.name}`;
    try {
      const age = Date.now() - (Deno.statSync(path).mtime?.getTime() ?? 0);
      if (age > keepMs) Deno.removeSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/**
 * After the machine went down: blobs are hashed again, layers removed to be unpacked again. Records
 * tell by themselves whether they are whole.
 * Whether there was anything to distrust.
 */
async function distrust(store: Store): Promise<boolean> {
  if (suspects(store).length === 0) return false;
  using _alone = await lock(store.lock("distrust"), "exclusive");
  const { fileDigest } = await import("./blobs.ts");
  const marks = suspects(store);
  for (const { what } of marks) {
    const [kind, hex] = what.split("-");
    if (kind === "layer") {
      removePath(`${store.layers}/${hex}`);
      continue;
    }
    const path = `${store.blobs}/${hex}`;
    if (
      kind === "blob" && isThere(path) && await fileDigest(path) !== parseDigest(`sha256:${hex}`)
    ) {
      Deno.removeSync(path);
    }
  }
  for (const directory of new Set(marks.map((mark) => mark.directory))) forgetMarks(directory);
  return marks.length > 0;
}
