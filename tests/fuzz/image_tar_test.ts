/** Archives from outside: read or refused, and nothing ever written beside the layer. */
import { assert, assertEquals } from "@std/assert";
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { openAt } from "../../ffi/fd.ts";
import { bytesOf, byteString } from "../../src/image/byte_string.ts";
import { packTree } from "../../src/image/pack.ts";
import { formatPaxRecord } from "../../src/image/pax.ts";
import { TarError, TarReader, type TarSink } from "../../src/image/tar.ts";
import { Unpacker } from "../../src/image/unpack.ts";
import { fuzzTest, mutateBytes } from "../lib/fuzz.ts";
import { below, pick, type Random } from "../lib/random.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";
import { concat, describeTree, tarOf } from "../lib/tree.ts";
import { newBatch } from "../lib/unpack_box.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Makes the checksums right again, or little but the first header would ever be read. */
function summed(archive: Bytes): Bytes {
  for (let at = 0; at + 512 <= archive.length; at += 512) {
    if (byteString(archive, at + 257, at + 262) !== "ustar") continue;
    archive.fill(0x20, at + 148, at + 156);
    let sum = 0;
    for (let i = at; i < at + 512; i++) sum += archive[i];
    archive.set(bytesOf(`${sum.toString(8).padStart(6, "0")}\0 `), at + 148);
  }
  return archive;
}

/** An entry of another type whose data is given: extended headers, GNU's names and maps. */
function special(flag: string, content: string): Bytes {
  const block = tarOf([`file meta ${"x".repeat(content.length)}`], false);
  block[156] = flag.charCodeAt(0);
  block.set(bytesOf(content), 512);
  return summed(block);
}

const record = (key: string, value: string) => byteString(formatPaxRecord(key, bytesOf(value)));

/** Each way of saying something that the reader knows. */
const PARTS: readonly Bytes[] = [
  tarOf(["dir d 0755", "file d/f hello", "hardlink h d/f", "symlink s d/f"], false),
  tarOf(["char c 1 3", "block b 8 0", "fifo p", "file d/.wh.gone", "file d/.wh..wh..opq"], false),
  tarOf([`file ${"long/".repeat(60)}name x`, "file ü x uid=3000000 mtime=1.5 x:user.k=v"], false),
  concat([special("L", `${"n".repeat(200)}\0`), tarOf(["file short x"], false)]),
  concat([special("K", `${"t/".repeat(150)}\0`), tarOf(["symlink l t"], false)]),
  concat([special("g", record("uid", "7") + record("comment", "c")), tarOf(["file g x"], false)]),
  concat([
    special("x", record("GNU.sparse.size", "20") + record("GNU.sparse.map", "2,3,10,2")),
    tarOf(["file s01 abcde"], false),
  ]),
  concat([
    special(
      "x",
      record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") +
        record("GNU.sparse.name", "s10") + record("GNU.sparse.realsize", "2000"),
    ),
    special("0", "2\n0\n3\n1000\n2\n".padEnd(512, "\0") + "abcde"),
  ]),
];

function archiveFrom(random: Random): Bytes {
  const parts = Array.from({ length: 1 + below(random, 5) }, () => pick(random, PARTS));
  const damaged = mutateBytes(random, concat([...parts, new Uint8Array(1024)]));
  return random() < 0.8 ? summed(damaged) : damaged;
}

/** Whether an error is a refusal, as it should be. */
function refusal(error: unknown): boolean {
  return error instanceof TarError || error instanceof SyscallError;
}

fuzzTest({
  name: "TarReader says the same of an archive however it is cut, and calls its sink in order",
  rounds: 4000,
  make: (random) => ({ archive: archiveFrom(random), step: 1 + below(random, 3000) }),
  check: ({ archive, step }) => {
    assertEquals(told(archive, step), told(archive, archive.length || 1));
  },
});

/** What a sink is told of an archive, as text; the last line is the refusal if there is one. */
function told(archive: Bytes, step: number): string[] {
  const lines: string[] = [];
  let open = false;
  let bytes = 0;
  let stored: number | undefined;
  const sink: TarSink = {
    entry(entry) {
      assert(!open, "an entry in an entry");
      open = true;
      bytes = 0;
      stored = entry.sparse?.spans.reduce((sum, span) => sum + span.length, 0) ?? entry.size;
      const { xattrs, ...rest } = entry;
      lines.push(JSON.stringify({ ...rest, xattrs: [...xattrs].map(([k, v]) => [k, [...v]]) }));
    },
    data(chunk) {
      assert(open && chunk.length > 0, "data out of place");
      bytes += chunk.length;
    },
    end() {
      assert(open, "an end without an entry");
      assertEquals(bytes, stored, "bytes of an entry");
      open = false;
    },
  };
  try {
    const reader = new TarReader(sink);
    for (let at = 0; at < archive.length; at += step) reader.push(archive.subarray(at, at + step));
    reader.finish();
  } catch (error) {
    if (!(error instanceof TarError)) throw error;
    lines.push(error.message);
  }
  return lines;
}

/** Unpacks into `layer`; whether it was taken. */
function unpack(archive: Bytes, layer: string): boolean {
  using root = openAt(null, layer, O_RDONLY | O_DIRECTORY);
  using unpacker = new Unpacker(root.raw, { overlay: "trusted", batch: newBatch });
  try {
    const reader = new TarReader(unpacker);
    reader.push(archive);
    reader.finish();
    unpacker.finish();
    return true;
  } catch (error) {
    if (!refusal(error)) throw error;
    return false;
  }
}

function pack(directory: string): Bytes {
  const parts: Bytes[] = [];
  using root = openAt(null, directory, O_RDONLY | O_DIRECTORY);
  packTree(root.raw, { marks: "whiteouts" }, (chunk) => parts.push(chunk.slice()));
  return concat(parts);
}

/** Checks with a directory that is empty but for the layer, and one beside it that stays. */
function inSandbox(body: (layer: string, second: string) => void): void {
  const top = Deno.makeTempDirSync({ prefix: "diplodock-fuzz-" });
  try {
    for (const name of ["outside", "layer", "second"]) Deno.mkdirSync(`${top}/${name}`);
    Deno.writeTextFileSync(`${top}/outside/secret`, "secret");
    const before = describeTree(`${top}/outside`);
    body(`${top}/layer`, `${top}/second`);
    assertEquals(describeTree(`${top}/outside`), before, "something outside was changed");
    const names = Array.from(Deno.readDirSync(top), (entry) => entry.name).sort();
    assertEquals(names, ["layer", "outside", "second"], "something beside the layer");
  } finally {
    Deno.removeSync(top, { recursive: true });
  }
}

const ROOT = skipUnless(isRoot(), "needs root");

fuzzTest({
  name: "Unpacker keeps damaged archives inside, and what it makes packs and unpacks the same",
  rounds: 1000,
  options: ROOT,
  make: archiveFrom,
  check: (archive) =>
    inSandbox((layer, second) => {
      if (!unpack(archive, layer)) return;
      const packed = pack(layer);
      assert(unpack(packed, second), "what was packed is refused");
      assertEquals(describeTree(second), describeTree(layer));
      assertEquals(pack(second), packed);
    }),
});

/** Names and links as an attacker would mix them. */
function hostileLines(random: Random): string[] {
  const names = ["a", "b", "c", "..", ".", "l", ".wh.a", ".wh..wh..opq", "outside", "secret"];
  const path = () =>
    (random() < 0.2 ? "/" : "") +
    Array.from({ length: 1 + below(random, 4) }, () => pick(random, names)).join("/");
  return Array.from({ length: 3 + below(random, 12) }, () => {
    const kind = pick(random, ["dir", "file", "file", "symlink", "symlink", "hardlink", "fifo"]);
    const target = pick(random, [path(), "../".repeat(1 + below(random, 6)) + path(), "/"]);
    if (kind === "dir") return `dir ${path()} ${pick(random, ["0755", "0000", "7777"])}`;
    if (kind === "file") return `file ${path()} evil`;
    return kind === "fifo" ? `fifo ${path()}` : `${kind} ${path()} ${target}`;
  });
}

fuzzTest({
  name: "Unpacker keeps hostile archives inside, each on top of what another one left",
  rounds: 1000,
  options: ROOT,
  make: (random) => [hostileLines(random), hostileLines(random)],
  check: (archives) =>
    inSandbox((layer, second) => {
      for (const lines of archives) unpack(tarOf(lines), layer);
      if (unpack(tarOf(archives[0]), second)) unpack(pack(second), layer);
    }),
});
