/** Whole archives of images from outside: loaded and usable, or refused and gone without trace. */
import { assert, assertEquals } from "@std/assert";
import { gzipSync } from "node:zlib";
import { SyscallError } from "../../ffi/errno.ts";
import { UserError } from "../../src/base/errors.ts";
import { historyOf, inspectImage } from "../../src/image/inspect.ts";
import { filterImages, listImages, rowsOf } from "../../src/image/list.ts";
import { loadArchive, type Loaded } from "../../src/image/load.ts";
import { lookupImage } from "../../src/image/lookup.ts";
import { BadNameError } from "../../src/image/reference.ts";
import { removeImage } from "../../src/image/remove.ts";
import { saveArchive } from "../../src/image/save.ts";
import { Store } from "../../src/image/store.ts";
import { TarError } from "../../src/image/tar.ts";
import { fuzzTest, type Json, mutateBytes, mutateJson } from "../lib/fuzz.ts";
import { archive, digest, makeImage } from "../lib/image_box.ts";
import { pick, type Random } from "../lib/random.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const IMAGE = makeImage({
  layers: [["dir bin", "file bin/sh x mode=4755"], ["file bin/.wh.sh", "file etc/new y"]],
  config: { Cmd: ["sh"], Env: ["A=b"], Labels: { k: "v" }, Volumes: { "/data": {} } },
});
const CONFIG: Json = JSON.parse(new TextDecoder().decode(IMAGE.config));
const NAME = "registry.example.com/some/app:1.0";

const encode = (value: Json): Bytes => new TextEncoder().encode(JSON.stringify(value));
const blobName = (bytes: Bytes) => `blobs/${digest(bytes).replace(":", "/")}`;

function describe(kind: string, bytes: Bytes): { [key: string]: Json } {
  return {
    mediaType: `application/vnd.oci.image.${kind}`,
    digest: digest(bytes),
    size: bytes.length,
  };
}

/** Changes one document of an archive in which all else, and every digest, is right. */
function archiveFrom(random: Random): Bytes {
  const target = pick(random, ["config", "manifest", "index", "list", "layer", "archive"]);
  const maybe = (name: string, value: Json) =>
    encode(target === name ? mutateJson(random, value) : value);
  const layers = IMAGE.layers.map((layer, i) => {
    const damaged = target === "layer" && i === 1 ? mutateBytes(random, layer) : layer;
    return random() < 0.5 ? new Uint8Array(gzipSync(damaged)) : damaged;
  });
  const config = maybe("config", CONFIG);
  const manifest = maybe("manifest", {
    schemaVersion: 2,
    config: describe("config.v1+json", config),
    layers: layers.map((layer) => describe("layer.v1.tar", layer)),
  });
  const index = maybe("index", {
    schemaVersion: 2,
    manifests: [{
      ...describe("manifest.v1+json", manifest),
      annotations: { "io.containerd.image.name": NAME },
    }],
  });
  const list = maybe("list", [{
    Config: blobName(config),
    RepoTags: [NAME],
    Layers: layers.map(blobName),
  }]);
  const kind = pick(random, ["docker", "oci", "both"]);
  const files: [string, Bytes][] = [config, manifest, ...layers].map((one) => [blobName(one), one]);
  if (kind !== "docker") files.push(["index.json", index]);
  if (kind !== "oci") files.push(["manifest.json", list]);
  const whole = archive(files);
  return target === "archive" ? mutateBytes(random, whole) : whole;
}

async function* chunks(bytes: Bytes): AsyncGenerator<Bytes> {
  await Promise.resolve();
  for (let at = 0; at < bytes.length; at += 10_000) yield bytes.slice(at, at + 10_000);
}

/** Whether an error is a refusal with words for the user. */
function isRefusal(error: unknown): boolean {
  return error instanceof UserError || error instanceof TarError ||
    error instanceof SyscallError || error instanceof BadNameError;
}

/** Everything a user may ask of a loaded image has to work. */
async function useImage(store: Store, { record, names }: Loaded): Promise<void> {
  const name = names[0] ?? record.id;
  inspectImage(store, name);
  historyOf(store, name);
  const listed = listImages(store);
  filterImages(store, listed, { labels: ["k"], references: ["*"], before: [], since: [] });
  for (const image of listed) rowsOf(image, true);
  assert(lookupImage(store.root, name) !== undefined, "it is loaded and not found");
  for (const format of ["docker-archive", "oci-archive"] as const) {
    await saveArchive(store, [name], format, () => {});
  }
}

/** What is left in the store: blobs, layers, records, half-made things. */
function leftovers(store: Store): string[] {
  return [store.blobs, store.layers, store.records, store.tmp, store.parts].flatMap((directory) =>
    [...Deno.readDirSync(directory)].map(({ name }) => `${directory}/${name}`)
  ).filter((path) => path !== `${store.layers}/l`);
}

const top = Deno.makeTempDirSync({ prefix: "diplodock-fuzz-" });
Deno.test.afterAll(() => Deno.removeSync(top, { recursive: true }));

fuzzTest({
  name: "loadArchive() makes images that every command takes, or leaves nothing behind",
  rounds: 400,
  options: skipUnless(isRoot(), "needs root"),
  make: archiveFrom,
  check: async (bytes) => {
    const store = new Store(`${top}/root`);
    let loaded: Loaded[] = [];
    try {
      loaded = await loadArchive(store, chunks(bytes));
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
    for (const image of loaded) await useImage(store, image);
    for (const { record } of listImages(store)) {
      removeImage(store, record.id, { force: true, prune: true, using: () => [] });
    }
    assertEquals(leftovers(store), []);
  },
});
