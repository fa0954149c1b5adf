/** Layers that are being downloaded: unpacked while they come, in the order of the image. */
import { type Digest, hexOf } from "./digest.ts";
import { Growth } from "./growing.ts";
import type { BlobsUnderWay, IncomingBlob } from "./incoming.ts";
import { isThere, type Store } from "./store.ts";
import type { Descriptor } from "./types.ts";

/** Where a blob lies while it is downloaded, by what hex digits its digest has. */
export function partPath(store: Store, digest: Digest): string {
  return `${store.parts}/${hexOf(digest)}`;
}

interface Arrival {
  growth: Growth;
  size: number;
  /** Resolves with its first bytes. */
  first: PromiseWithResolvers<void>;
  state: "expected" | "coming" | "over";
}

/** The downloads of one pull. */
export class Arrivals implements BlobsUnderWay {
  readonly #arrivals = new Map<Digest, Arrival>();
  #downloads: ReadonlyMap<Digest, Promise<void>> = new Map();

  constructor(readonly store: Store) {}

  /** Names the promises of all downloads, which may not have begun. */
  expect(downloads: ReadonlyMap<Digest, Promise<void>>): void {
    this.#downloads = downloads;
  }

  #of(digest: Digest, size = 0): Arrival {
    const known = this.#arrivals.get(digest);
    if (known !== undefined) {
      known.size ||= size;
      return known;
    }
    const first = Promise.withResolvers<void>();
    const made: Arrival = { growth: new Growth(), size, first, state: "expected" };
    this.#arrivals.set(digest, made);
    return made;
  }

  /** Runs a download, which tells how many bytes of the blob have arrived. */
  async follow(
    layer: Descriptor,
    download: (arrived: (bytes: number) => void) => Promise<void>,
  ): Promise<void> {
    const arrival = this.#of(layer.digest, layer.size);
    try {
      await download((bytes) => {
        arrival.state = "coming";
        arrival.growth.reach(bytes);
        arrival.first.resolve();
      });
    } catch (error) {
      arrival.growth.fail(error);
      throw error;
    } finally {
      arrival.state = "over";
    }
  }

  /** Resolves when a blob is there, or its first bytes are. Rejects if it will not come. */
  async begun(digest: Digest): Promise<void> {
    const arrival = this.#of(digest);
    await Promise.race([arrival.first.promise, this.#downloads.get(digest)]);
    // Nothing is left of one that failed behind its first bytes.
    if (arrival.state === "over") await this.#downloads.get(digest);
  }

  get(digest: Digest): IncomingBlob | undefined {
    const arrival = this.#arrivals.get(digest);
    if (arrival?.state !== "coming") return undefined;
    const { store } = this;
    return {
      range: {
        // It is renamed when it is whole.
        get path() {
          const part = partPath(store, digest);
          return isThere(part) ? part : store.blob(digest);
        },
        offset: 0,
        size: arrival.size,
      },
      growth: arrival.growth,
      whole: this.#downloads.get(digest)!,
    };
  }
}
