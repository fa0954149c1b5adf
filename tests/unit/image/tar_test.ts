import { assertEquals, assertThrows } from "@std/assert";
import { bytesOf, byteString, fromText, toText } from "../../../src/image/byte_string.ts";
import { formatPaxRecord, formatPaxTime, parsePax, paxTime } from "../../../src/image/pax.ts";
import { type TarEntry, TarError, TarReader } from "../../../src/image/tar.ts";
import { endMark, entryHeader, padding, plainEntry } from "../../../src/image/tar_writer.ts";
import { seeded } from "../../lib/random.ts";
import { concat, entryOf, tarOf } from "../../lib/tree.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What a reader makes of an archive that is pushed in pieces of `step` bytes. */
function read(archive: Bytes, step = archive.length): { entry: TarEntry; content: string }[] {
  const found: { entry: TarEntry; content: string }[] = [];
  const reader = new TarReader({
    entry: (entry) => found.push({ entry, content: "" }),
    data: (chunk) => found.at(-1)!.content += byteString(chunk),
    end: () => {},
  });
  for (let at = 0; at < archive.length; at += Math.max(step, 1)) {
    reader.push(archive.subarray(at, at + step));
  }
  reader.finish();
  return found;
}

/** A header with one field replaced and the checksum made right again. */
function patched(line: string, at: number, bytes: Uint8Array | string): Bytes {
  const { entry, content } = entryOf(line);
  const block = entryHeader(entry, content.length);
  block.set(typeof bytes === "string" ? bytesOf(bytes) : bytes, at);
  return concat([summed(block), content, padding(content.length)]);
}

function summed(block: Bytes): Bytes {
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block.subarray(0, 512)) sum += byte;
  block.set(bytesOf(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  return block;
}

/** A meta entry (extended header or long name) before another. */
function meta(flag: string, body: Bytes, size = body.length): Bytes {
  const entry = plainEntry("meta", "file", 0, 0o644);
  const block = entryHeader(entry, size);
  block.set(bytesOf(flag), 156);
  return concat([summed(block), body, padding(body.length)]);
}

const record = (key: string, value: string) => formatPaxRecord(key, bytesOf(value));

const LINES: [name: string, line: string][] = [
  ["an empty file", "file a"],
  ["a file", "file a hello world"],
  ["a path of 100 bytes", `file ${"a".repeat(100)} x`],
  ["a path that needs the prefix", `file ${"d/".repeat(60)}${"a".repeat(90)} x`],
  ["a path that needs PAX", `file ${"a".repeat(300)} x`],
  ["a path of 5000 bytes", `file ${"abcdefg/".repeat(625)}end x`],
  ["a name in UTF-8", "file ünïcödé/名前 x"],
  ["a directory", "dir some/dir 1777"],
  ["a link", "symlink l target"],
  ["a long link", `symlink l ${"t/".repeat(200)}`],
  ["a hard link", "hardlink b a"],
  ["a device", "char dev/x 511 1048575"],
  ["a fifo", "fifo p"],
  ["owners above 2^21", "file a x uid=2097152 gid=4294967294"],
  ["setuid and sticky", "file a x mode=7755"],
  ["a time in nanoseconds", "file a x mtime=1700000000.123456789"],
  ["a time before 1970", "file a x mtime=-2.5"],
  ["a time after 2242", "file a x mtime=99999999999"],
  ["attributes", "file a x x:user.k=v x:security.capability=abc"],
];

for (const [name, line] of LINES) {
  Deno.test(`TarReader reads what the writer makes of ${name}`, () => {
    const { entry, content } = entryOf(line);
    for (const step of [1, 7, 511, 512, 513, 1 << 20]) {
      const [found, ...more] = read(tarOf([line]), step);
      assertEquals(more.length, 0);
      assertEquals(found.entry, { ...entry, path: found.entry.path });
      assertEquals(found.entry.path, entry.path);
      assertEquals(found.content, byteString(content));
    }
  });
}

Deno.test("entryHeader() makes the same bytes of the same entry", () => {
  const lines = LINES.map(([, line]) => line);
  assertEquals(tarOf(lines), tarOf(lines));
});

Deno.test("TarReader keeps names that are not UTF-8 as bytes", () => {
  const name = byteString(new Uint8Array([0x61, 0xff, 0xfe, 0x2f, 0x62]));
  const entry = { ...plainEntry("x", "file", 0, 0o644), path: name };
  assertEquals(read(concat([entryHeader(entry, 0), endMark()]))[0].entry.path, name);
});

Deno.test("TarReader reads base-256 numbers", () => {
  const big = new Uint8Array([0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]);
  const [{ entry }] = read(concat([patched("file a", 108, big), endMark()]));
  assertEquals(entry.uid, 0x7fffffff);
});

Deno.test("TarReader takes GNU's long names", () => {
  const long = "x".repeat(400);
  const archive = concat([
    meta("L", bytesOf(`${long}\0`)),
    meta("K", bytesOf(`${long}t\0`)),
    patched("symlink a b", 156, "2"),
    endMark(),
  ]);
  const [{ entry }] = read(archive);
  assertEquals([entry.path, entry.link], [long, `${long}t`]);
});

Deno.test("TarReader lets a local record win over a global one, and forgets it after", () => {
  const archive = concat([
    meta("g", record("uid", "7")),
    meta("x", record("uid", "8")),
    tarOf(["file a", "file b"]),
  ]);
  assertEquals(read(archive).map(({ entry }) => entry.uid), [8, 7]);
});

for (const line of ["hardlink b a", "symlink b a", "dir b", "fifo b", "char b 1 3"]) {
  Deno.test(`TarReader expects no data behind "${line}", whatever size it says`, () => {
    const archive = concat([patched(line, 124, "00000001000\0"), tarOf(["file c x"])]);
    assertEquals(read(archive).map(({ entry }) => entry.path), ["b", "c"]);
  });
}

Deno.test("TarReader reads v7 directories by their slash", () => {
  const block = entryHeader({ ...plainEntry("d/", "file", 0, 0o755) }, 0);
  block.fill(0, 257, 265);
  block[156] = 0;
  assertEquals(read(concat([summed(block), endMark()]))[0].entry.type, "directory");
});

Deno.test("TarReader takes an archive without its end mark", () => {
  assertEquals(read(tarOf(["file a hello"], false)).length, 1);
});

Deno.test("TarReader stops at the end mark", () => {
  assertEquals(read(concat([tarOf(["file a"]), bytesOf("rubbish".repeat(200))])).length, 1);
});

const SPARSE: [name: string, records: [string, string][], data: string][] = [
  ["0.0", [
    ["GNU.sparse.size", "20"],
    ["GNU.sparse.numblocks", "2"],
    ["GNU.sparse.offset", "2"],
    ["GNU.sparse.numbytes", "3"],
    ["GNU.sparse.offset", "10"],
    ["GNU.sparse.numbytes", "2"],
  ], "abcde"],
  ["0.1", [
    ["GNU.sparse.size", "20"],
    ["GNU.sparse.numblocks", "2"],
    ["GNU.sparse.name", "real"],
    ["GNU.sparse.map", "2,3,10,2"],
  ], "abcde"],
  ["1.0", [
    ["GNU.sparse.major", "1"],
    ["GNU.sparse.minor", "0"],
    ["GNU.sparse.name", "real"],
    ["GNU.sparse.realsize", "20"],
  ], "2\n2\n3\n10\n2\n".padEnd(512, "\0") + "abcde"],
];

for (const [version, records, data] of SPARSE) {
  Deno.test(`TarReader reads a sparse file of version ${version}`, () => {
    const entry = plainEntry("a", "file", data.length, 0o644);
    const archive = concat([
      meta("x", concat(records.map(([key, value]) => record(key, value)))),
      entryHeader(entry, data.length),
      bytesOf(data),
      padding(data.length),
      endMark(),
    ]);
    for (const step of [1, 100, 1 << 20]) {
      const [found] = read(archive, step);
      assertEquals(found.entry.size, 20);
      assertEquals(found.entry.sparse, {
        size: 20,
        spans: [{ offset: 2, length: 3 }, { offset: 10, length: 2 }],
      });
      assertEquals(found.content, "abcde");
      if (version !== "0.0") assertEquals(found.entry.path, "real");
    }
  });
}

Deno.test("TarReader reads back the sparse files that the writer makes", () => {
  const sparse = { size: 1 << 30, spans: [{ offset: 4096, length: 3 }] };
  const entry = { ...plainEntry("big", "file", 1 << 30, 0o644), sparse };
  const archive = concat([entryHeader(entry, 3), bytesOf("abc"), padding(3), endMark()]);
  assertEquals(read(archive)[0], { entry, content: "abc" });
});

Deno.test("TarReader reads a sparse map of 200,000 stretches without looking back", () => {
  const count = 200_000;
  const lines = Array.from({ length: count }, (_, i) => `${2 * i}\n1\n`).join("");
  const map = `${count}\n${lines}`;
  const data = bytesOf(map.padEnd(Math.ceil(map.length / 512) * 512, "\0") + "x".repeat(count));
  const archive = concat([
    meta(
      "x",
      concat([
        record("GNU.sparse.major", "1"),
        record("GNU.sparse.name", "a"),
        record("GNU.sparse.realsize", String(2 * count)),
      ]),
    ),
    entryHeader(plainEntry("a", "file", data.length, 0o644), data.length),
    data,
    padding(data.length),
    endMark(),
  ]);
  let spans = 0;
  let bytes = 0;
  const reader = new TarReader({
    entry: (entry) => spans = entry.sparse!.spans.length,
    data: (chunk) => bytes += chunk.length,
    end: () => {},
  });
  reader.push(archive);
  reader.finish();
  assertEquals([spans, bytes], [count, count]);
});

const HOSTILE: [name: string, archive: () => Bytes, message: string][] = [
  ["a bad checksum", () => {
    const archive = tarOf(["file a"]);
    archive[0] ^= 1;
    return archive;
  }, "bad checksum"],
  ["a stream cut in the data", () => tarOf([`file a ${"x".repeat(600)}`]).subarray(0, 700), "end"],
  ["a stream cut in a header", () => tarOf(["file a", "file b"]).subarray(0, 700), "end"],
  ["a stream cut after an extended header", () => meta("x", record("path", "a")), "end"],
  [
    "an end mark after an extended header",
    () => concat([meta("x", record("path", "a")), endMark()]),
    "end",
  ],
  ["rubbish", () => bytesOf("not a tar at all ".repeat(100)), "checksum"],
  ["a negative size", () => {
    const minus = new Uint8Array(12).fill(0xff);
    return concat([patched("file a", 124, minus), endMark()]);
  }, "negative size"],
  ["a size beyond all numbers", () => {
    const huge = new Uint8Array(12).fill(0x7f);
    huge[0] = 0x80;
    return patched("file a", 124, huge);
  }, "out of range"],
  ["a size that is no number", () => patched("file a", 124, "12x45678901\0"), "not a number"],
  ["an owner of -1", () => {
    const minus = new Uint8Array(8).fill(0xff);
    return patched("file a", 108, minus);
  }, "uid -1"],
  ["an extended header of 2 MiB", () => meta("x", new Uint8Array(0), 2 << 20), "too long"],
  ["a long name of 2 MiB", () => meta("L", new Uint8Array(0), 2 << 20), "too long"],
  [
    "a hundred extended headers in a row",
    () => concat(Array.from({ length: 100 }, () => meta("x", record("a", "b")))),
    "too long",
  ],
  [
    "a thousand big global headers",
    () =>
      concat(Array.from({ length: 1000 }, (_, i) => meta("g", record(`k${i}`, "v".repeat(9000))))),
    "too long",
  ],
  [
    "two thousand global records",
    () =>
      concat([
        meta("g", concat(Array.from({ length: 2000 }, (_, i) => record(`k${i}`, "v")))),
        tarOf(["file a"]),
      ]),
    "too long",
  ],
  ["an extended header without length", () => meta("x", bytesOf("path=x\n")), "malformed"],
  ["a record longer than its header", () => meta("x", bytesOf("99 path=x\n")), "malformed"],
  ["a record without newline", () => meta("x", bytesOf("8 path=x")), "malformed"],
  [
    "a size in an extended header that is negative",
    () => concat([meta("x", record("size", "-1")), tarOf(["file a"])]),
    "size=-1",
  ],
  [
    "a time that is none",
    () => concat([meta("x", record("mtime", "1e9")), tarOf(["file a"])]),
    "mtime=1e9",
  ],
  ["an unknown type", () => patched("file a", 156, "Q"), 'unknown type "Q"'],
  ["a continued volume", () => patched("file a", 156, "M"), 'unknown type "M"'],
  ["sparse data that overlaps", () =>
    concat([
      meta("x", concat([record("GNU.sparse.size", "20"), record("GNU.sparse.map", "5,3,6,2")])),
      tarOf(["file a abcde"]),
    ]), "sparse"],
  ["sparse data beyond the end", () =>
    concat([
      meta("x", concat([record("GNU.sparse.size", "4"), record("GNU.sparse.map", "0,5")])),
      tarOf(["file a abcde"]),
    ]), "sparse"],
  ["a sparse map that promises a million numbers", () => {
    const entry = plainEntry("a", "file", 512, 0o644);
    return concat([
      meta(
        "x",
        concat([
          record("GNU.sparse.major", "1"),
          record("GNU.sparse.name", "a"),
          record("GNU.sparse.realsize", "9"),
        ]),
      ),
      entryHeader(entry, 512),
      bytesOf("9999999\n".padEnd(512, "\0")),
      endMark(),
    ]);
  }, "sparse"],
];

for (const [name, archive, message] of HOSTILE) {
  Deno.test(`TarReader refuses ${name}`, () => {
    const error = assertThrows(() => read(archive()), TarError, message);
    assertEquals(error.name, "TarError");
  });
}

Deno.test("TarReader reads or refuses 3000 damaged archives, and nothing else happens", () => {
  const random = seeded(20261124);
  const whole = concat([
    meta("x", concat([record("GNU.sparse.size", "20"), record("GNU.sparse.map", "2,3,10,2")])),
    tarOf(["file s abcde"], false),
    meta("L", bytesOf("long name\0")),
    tarOf(LINES.map(([, line]) => line)),
  ]);
  let refused = 0;
  for (let round = 0; round < 3000; round++) {
    const archive = whole.slice(
      0,
      round % 3 === 0 ? Math.floor(random() * whole.length) : undefined,
    );
    for (let i = 0; i <= round % 8 && archive.length > 0; i++) {
      archive[Math.floor(random() * archive.length)] = Math.floor(random() * 256);
    }
    // Half of them with right checksums: otherwise little lies behind the first header.
    if (round % 2 === 0) {
      for (let at = 0; at + 512 <= archive.length; at += 512) {
        if (byteString(archive, at + 257, at + 262) === "ustar") {
          summed(archive.subarray(at, at + 512));
        }
      }
    }
    try {
      read(archive, 1 + Math.floor(random() * 2000));
    } catch (error) {
      if (!(error instanceof TarError)) throw error;
      refused++;
    }
  }
  assertEquals(refused > 500 && refused < 3000, true, `${refused} refused`);
});

const TIMES: [text: string, seconds: number, nanos: number][] = [
  ["0", 0, 0],
  ["1700000000.5", 1700000000, 500000000],
  ["1.000000001", 1, 1],
  ["-1", -1, 0],
  ["-1.25", -2, 750000000],
];

for (const [text, seconds, nanos] of TIMES) {
  Deno.test(`paxTime() and formatPaxTime() agree on ${text}`, () => {
    assertEquals(paxTime(bytesOf(text), "mtime"), { seconds, nanos });
    assertEquals(formatPaxTime({ seconds, nanos }), text);
  });
}

Deno.test("formatPaxRecord() counts its own length right around powers of ten", () => {
  for (let length = 0; length < 1200; length++) {
    const value = bytesOf("v".repeat(length));
    assertEquals(parsePax(formatPaxRecord("key", value)), [["key", value]]);
  }
});

Deno.test("toText() shows what fromText() keeps", () => {
  assertEquals(toText(fromText("ünï")), "ünï");
  assertEquals(toText("\xff"), "\ufffd");
});
