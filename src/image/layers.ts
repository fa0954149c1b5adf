/** Layers on disk: each is unpacked once, verified while it streams, and renamed into place whole. */
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { openAt } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import { UserError } from "../base/errors.ts";
import { type Digest, hexOf } from "./digest.ts";
import { markUnsynced } from "./durability.ts";
import { CAPABILITY, capabilityFor } from "./file_capability.ts";
import type { Growth } from "./growing.ts";
import { type FileRange, readRange } from "./incoming.ts";
import { openLayer } from "./layer_content.ts";
import { lock } from "./locks.ts";
import { ownIdentity } from "./metadata.ts";
import { type LayerRecord, readLayer } from "./records.ts";
import type { Session } from "./session.ts";
import { isThere, type Store } from "./store.ts";
import { TarReader, type TarSink } from "./tar.ts";
import { type Unpacked, Unpacker, type UnpackOptions } from "./unpack.ts";
import type { OverlayKind } from "./whiteout.ts";

/** What a compressed layer may grow to. */
export interface GrowthLimit {
  /** Up to here any ratio is fine. */
  freeBytes: number;
  /** Beyond that: unpacked bytes per compressed byte. */
  ratio: number;
}

/** gzip reaches 1,032 at most, real layers stay under 50. */
const GROWTH_LIMIT: GrowthLimit = { freeBytes: 1 << 30, ratio: 200 };

/** A layer to be unpacked: where its blob is, what it must be, what lies below it. */
export interface LayerSource {
  blob: Digest;
  range: FileRange;
  /** How much of it is there, if not all. */
  growth?: Growth;
  /** Resolves when the blob is verified, if it is not yet. */
  whole?: Promise<void>;
  diffId: Digest;
  /** Its own chain id and those below, lowest first. */
  chain: readonly Digest[];
  /** Told the number of compressed bytes that were unpacked. */
  onProgress?: (bytes: number) => void;
}

/** The form of marks that this user's overlayfs reads. */
export function overlayKind(): OverlayKind {
  return ownIdentity().rootless ? "user" : "trusted";
}

/** Unpacks a layer unless it is there already; waits for another process that does just that. */
export async function ensureLayer(session: Session, source: LayerSource): Promise<LayerRecord> {
  const { store } = session;
  const chainId = source.chain.at(-1)!;
  const there = readLayer(store, chainId);
  if (there !== undefined) return there;
  using _lock = await lock(store.lock(`layer-${hexOf(chainId)}`), "exclusive");
  const made = readLayer(store, chainId);
  if (made !== undefined) return made;
  const directory = layerDirectory(session);
  const unpacked = await unpackVerified(store, source, directory);
  const record = recordOf(source.diffId, unpacked);
  placeLayer(store, chainId, directory, record);
  return record;
}

/**
 * Unpacks a plain tar as the lowest layer of an image, while its digest is still being computed.
 * The layer gets its place by that digest, unless it is there already.
 */
export async function unpackUnnamed(
  session: Session,
  range: FileRange,
  digest: Promise<Digest>,
): Promise<void> {
  const { store } = session;
  const directory = layerDirectory(session);
  const batch = await batchFor(range);
  using root = openAt(null, `${directory}/fs`, O_RDONLY | O_DIRECTORY);
  using unpacker = new Unpacker(root.raw, { overlay: overlayKind(), ...batch });
  const reader = new TarReader(unpacker);
  for (const chunk of readRange(range)) reader.push(chunk);
  reader.finish();
  const unpacked = unpacker.finish();
  const diffId = await digest;
  using _lock = await lock(store.lock(`layer-${hexOf(diffId)}`), "exclusive");
  if (readLayer(store, diffId) === undefined) {
    placeLayer(store, diffId, directory, recordOf(diffId, unpacked));
  }
}

/** The largest archive of which each file is made by itself: some sixty at most, plain. */
const FEW_BYTES = 32 << 10;

/** What makes many files at a time, loaded only for many. */
async function batchFor(range: FileRange): Promise<Pick<UnpackOptions, "batch">> {
  if (range.size <= FEW_BYTES) return {};
  const { UnpackBatch } = await import("./unpack_batch.ts");
  return { batch: (who) => new UnpackBatch(who) };
}

function layerDirectory(session: Session): string {
  const directory = session.temporary("layer");
  Deno.mkdirSync(`${directory}/fs`, { recursive: true });
  // Whatever the umask is and whatever the directory above hands down.
  Deno.chmodSync(`${directory}/fs`, 0o755);
  return directory;
}

function placeLayer(store: Store, chainId: Digest, directory: string, record: LayerRecord): void {
  Deno.writeTextFileSync(`${directory}/layer.json`, JSON.stringify(record));
  const target = store.layer(chainId);
  markUnsynced(store, `layer-${hexOf(chainId)}`);
  const short = `${store.layers}/${store.shortLayer(chainId)}`;
  const link = `../${hexOf(chainId)}/fs`;
  if (!isThere(short)) Deno.symlinkSync(link, short);
  else if (Deno.readLinkSync(short) !== link) {
    throw new Error(`Cannot name layer ${chainId}: its first 16 digits are those of another one`);
  }
  Deno.renameSync(directory, target);
}

/** Owners in place of those that a layer has. */
export interface ShiftedOwners {
  /** The layers below, shifted as well, topmost first. */
  readonly lowers: readonly string[];
  uid(inside: number): number;
  gid(inside: number): number;
  /** Root of the container, for capabilities of files; 0: they need no change. */
  readonly root: number;
}

function recordOf(diffId: Digest, { size, hasMarkFiles }: Unpacked): LayerRecord {
  return { diffId, size, ...(hasMarkFiles && { hasMarkFiles }) };
}

/** Unpacks a layer into `<directory>/fs`. Throws UserError. */
export async function unpackVerified(
  store: Store,
  source: LayerSource,
  directory: string,
  owners?: ShiftedOwners,
): Promise<Unpacked> {
  using root = openAt(null, `${directory}/fs`, O_RDONLY | O_DIRECTORY);
  const lowers = owners?.lowers ??
    source.chain.slice(0, -1).reverse().map((id) => store.layerRoot(id));
  const batch = await batchFor(source.range);
  using unpacker = new Unpacker(root.raw, { overlay: overlayKind(), lowers, ...batch });
  const reader = new TarReader(owners === undefined ? unpacker : shifted(unpacker, owners));
  const compressed = source.range.size;
  const limit = growthLimit(root.raw, compressed, GROWTH_LIMIT);
  const content = await openLayer(source);
  let size = 0;
  for await (const chunk of content.chunks) {
    size += chunk.length;
    if (size > limit.bytes) {
      throw new UserError(`Cannot unpack layer ${source.diffId}: ${limit.reason}`);
    }
    reader.push(chunk);
  }
  reader.finish();
  await source.whole;
  const digest = content.digest();
  if (digest !== source.diffId) {
    throw new UserError(`Cannot unpack layer ${source.diffId}: its content is ${digest}`);
  }
  return unpacker.finish();
}

function shifted(sink: TarSink, owners: ShiftedOwners): TarSink {
  return {
    entry: (entry) => {
      const capability = entry.xattrs.get(CAPABILITY);
      if (capability !== undefined) {
        entry.xattrs.set(CAPABILITY, capabilityFor(capability, owners.root));
      }
      sink.entry({ ...entry, uid: owners.uid(entry.uid), gid: owners.gid(entry.gid) });
    },
    data: (chunk) => sink.data(chunk),
    end: () => sink.end(),
    flush: () => sink.flush?.(),
  };
}

/** How many bytes may come out of a file of `compressed` bytes, and the words if more do. */
function growthLimit(
  fd: number,
  compressed: number,
  limit: GrowthLimit,
): { bytes: number; reason: string } {
  const byRatio = Math.max(limit.freeBytes, compressed * limit.ratio);
  // struct statfs: f_bsize at 8, f_blocks at 16, f_bavail at 32.
  const statfs = new Uint8Array(120);
  check("look at the free space", "fstatfs", fd, statfs);
  const view = new DataView(statfs.buffer);
  const available = Number(view.getBigUint64(8, true)) * Number(view.getBigUint64(32, true));
  // A file system that does not count its blocks (ramfs) has none and is not full.
  const byDisk = view.getBigUint64(16, true) === 0n ? Infinity : Math.floor(available * 0.95);
  return byDisk < byRatio
    ? { bytes: byDisk, reason: "it would leave less than 5% of the free disk space" }
    : {
      bytes: byRatio,
      reason: `${compressed} compressed bytes grow to more than ${byRatio}, which looks like a ` +
        `decompression bomb`,
    };
}
