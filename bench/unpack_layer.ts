/** Unpacks a tar as a layer, and prints the milliseconds that took: `unpack_layer.ts TAR FOLDER`. */
import { O_DIRECTORY, O_RDONLY } from "../ffi/constants.ts";
import { openAt } from "../ffi/fd.ts";
import { readRange } from "../src/image/incoming.ts";
import { TarReader } from "../src/image/tar.ts";
import { Unpacker } from "../src/image/unpack.ts";
import { UnpackBatch } from "../src/image/unpack_batch.ts";

const [path, folder] = Deno.args;
const start = performance.now();
using root = openAt(null, folder, O_RDONLY | O_DIRECTORY);
using unpacker = new Unpacker(root.raw, {
  overlay: "trusted",
  batch: (who) => new UnpackBatch(who),
});
const reader = new TarReader(unpacker);
const size = Deno.statSync(path).size;
for (const chunk of readRange({ path, offset: 0, size })) reader.push(chunk);
reader.finish();
unpacker.finish();
console.log(performance.now() - start);
