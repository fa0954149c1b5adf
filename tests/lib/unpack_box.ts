/** A directory to unpack into, and one beside it that nothing may touch. */
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { openAt } from "../../ffi/fd.ts";
import { TarReader } from "../../src/image/tar.ts";
import { Unpacker, type UnpackOptions } from "../../src/image/unpack.ts";
import { UnpackBatch } from "../../src/image/unpack_batch.ts";
import { assertEquals } from "./assert.ts";
import { describeTree } from "./tree.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Runs `body` with an empty directory and one beside it that must stay as it is. */
export function sandbox(body: (layer: string, outside: string) => void): void {
  const top = Deno.makeTempDirSync({ prefix: "diplodock-unpack-" });
  try {
    Deno.mkdirSync(`${top}/layer`, { mode: 0o755 });
    Deno.mkdirSync(`${top}/outside`);
    Deno.writeTextFileSync(`${top}/outside/secret`, "secret");
    const before = describeTree(`${top}/outside`);
    const mode = Deno.statSync(`${top}/outside`).mode;
    body(`${top}/layer`, `${top}/outside`);
    assertEquals(describeTree(`${top}/outside`), before, "something outside was changed");
    assertEquals(Deno.statSync(`${top}/outside`).mode, mode, "the directory outside was changed");
    assertEquals(Array.from(Deno.readDirSync(top), (e) => e.name).sort(), ["layer", "outside"]);
  } finally {
    Deno.removeSync(top, { recursive: true });
  }
}

/** For `UnpackOptions`: small files are made together. */
export const newBatch: UnpackOptions["batch"] = (who) => new UnpackBatch(who);

/** Unpacks an archive into the directory, small files together unless the options say otherwise. */
export function unpack(archive: Bytes, layer: string, options: Partial<UnpackOptions> = {}) {
  using root = openAt(null, layer, O_RDONLY | O_DIRECTORY);
  using unpacker = new Unpacker(root.raw, { overlay: "trusted", batch: newBatch, ...options });
  const reader = new TarReader(unpacker);
  reader.push(archive);
  reader.finish();
  return unpacker.finish();
}

/** The tree without owners, times and modes: what is where. */
export function shape(layer: string): string[] {
  return describeTree(layer).map((line) => {
    const [kind, path] = line.split(" ");
    return `${kind} ${JSON.parse(path)}${line.includes("opaque=y") ? " opaque" : ""}`;
  });
}
