import { assert, assertEquals, assertThrows } from "@std/assert";
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { openAt } from "../../ffi/fd.ts";
import { byteString, cBytes } from "../../src/image/byte_string.ts";
import { sys } from "../../ffi/libc.ts";
import { packTree } from "../../src/image/pack.ts";
import { TarError } from "../../src/image/tar.ts";
import { endMark, entryHeader, plainEntry } from "../../src/image/tar_writer.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";
import { concat, describeTree, tarOf } from "../lib/tree.ts";
import { newBatch, sandbox, shape, unpack } from "../lib/unpack_box.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const needsRoot = skipUnless(isRoot(), "needs root");

/** Small files of a large layer are made together, those of a small one each by itself. */
const WAYS = [["together", { batch: newBatch }], ["one by one", { batch: undefined }]] as const;

function hasOpaque(path: string): boolean {
  const value = new Uint8Array(1);
  return sys("lgetxattr", cBytes(path), "trusted.overlay.opaque", value, 1) === 1;
}

const REFUSED: [name: string, lines: string[], error: typeof TarError | typeof SyscallError][] = [
  ["a path that goes up", ["file ../outside/evil x"], TarError],
  ["a path that goes up from inside", ["dir a", "file a/../../outside/evil x"], TarError],
  ["a hard link to a path that goes up", ["hardlink l ../outside/secret"], TarError],
  ["a hard link through a link that leads out", [
    "symlink out ../outside",
    "hardlink l out/secret",
  ], SyscallError],
  ["a hard link to a file that is not there", ["hardlink l nothing"], SyscallError],
  ["a hard link to a directory", ["dir d", "hardlink l d"], SyscallError],
  ["a hard link to the layer itself", ["hardlink l ."], SyscallError],
  ["a whiteout of ..", ["dir a", "file a/.wh... x"], TarError],
  ["a whiteout of .", ["file .wh.. x"], TarError],
  ["a whiteout of nothing", ["file .wh. x"], TarError],
  ["a file below a file", ["file a x", "file a/b x"], SyscallError],
  ["a file below a link that leads nowhere", ["symlink a nowhere", "file a/b x"], SyscallError],
  ["a link that leads to itself", ["symlink a a", "file a/b x"], SyscallError],
  ["2000 directories in one another", [`dir ${"d/".repeat(2000)}`], TarError],
  ["a name of 300 bytes", [`file ${"n".repeat(300)} x`], SyscallError],
];

for (const [way, options] of WAYS) {
  for (const [name, lines, type] of REFUSED) {
    Deno.test({
      name: `Unpacker refuses ${name}, files ${way}`,
      ...needsRoot,
      fn: () =>
        sandbox((layer) => void assertThrows(() => unpack(tarOf(lines), layer, options), type)),
    });
  }
}

const CONFINED: [name: string, lines: string[], want: string[]][] = [
  ["an absolute path", ["file /etc/x y"], ["dir etc", "file etc/x"]],
  ["an absolute hard link", ["file a x", "hardlink b /a"], ["file a", "file b"]],
  ["a write through a link that goes up", [
    "dir outside",
    "symlink l ../../outside",
    "file l/evil x",
  ], ["symlink l", "dir outside", "file outside/evil"]],
  ["a write through an absolute link", [
    "dir etc",
    "symlink l /etc",
    "file l/evil x",
  ], ["dir etc", "file etc/evil", "symlink l"]],
  ["a write through a chain of links", [
    "dir a",
    "dir a/b",
    "symlink x a/b",
    "symlink y x/../../../..",
    "file y/evil x",
  ], ["dir a", "dir a/b", "file evil", "symlink x", "symlink y"]],
  ["a file over a link: the link goes, not its target", [
    "file target keep",
    "symlink l target",
    "file l new",
  ], ["file l", "file target"]],
  ["a directory over a link", [
    "dir target",
    "symlink l target",
    "dir l",
    "file l/x y",
  ], ["dir l", "file l/x", "dir target"]],
  ["a link over a directory with content", [
    "dir d",
    "file d/x y",
    "symlink d /",
  ], ["symlink d"]],
  ["a file over a directory with content", ["dir d", "file d/x y", "file d z"], ["file d"]],
  ["a directory over a file", ["file d z", "dir d", "file d/x y"], ["dir d", "file d/x"]],
  ["the same file twice", ["file a one", "file a two"], ["file a"]],
  ["the same directory twice", ["dir a", "file a/x y", "dir a 0700"], ["dir a", "file a/x"]],
  ["a hard link to itself", ["file a x", "hardlink a a"], ["file a"]],
  ["a hard link to a link: the link itself", [
    "symlink l ../outside/secret",
    "hardlink m l",
  ], ["symlink l", "symlink m"]],
  ["a device and what hides behind it", ["char c 1 3", "file c x"], ["file c"]],
  ["a fifo in the way", ["fifo p", "file p x"], ["file p"]],
  ["files before their directories", ["file a/b/c x", "dir a 0700"], [
    "dir a",
    "dir a/b",
    "file a/b/c",
  ]],
  ["odd paths", ["file ./a//b/./c x", "dir ./"], ["dir a", "dir a/b", "file a/b/c"]],
];

for (const [way, options] of WAYS) {
  for (const [name, lines, want] of CONFINED) {
    Deno.test({
      name: `Unpacker keeps inside: ${name}, files ${way}`,
      ...needsRoot,
      fn: () =>
        sandbox((layer) => {
          unpack(tarOf(lines), layer, options);
          assertEquals(shape(layer), want);
        }),
    });
  }
}

Deno.test({
  name: "Unpacker takes the last of two files, and leaves other names of the first alone",
  ...needsRoot,
  fn: () =>
    sandbox((layer) => {
      unpack(tarOf(["file a one", "hardlink b a", "file a two"]), layer);
      assertEquals(Deno.readTextFileSync(`${layer}/a`), "two");
      assertEquals(Deno.readTextFileSync(`${layer}/b`), "one");
    }),
});

Deno.test({
  name: "Unpacker drops attributes that steer overlayfs",
  ...needsRoot,
  fn: () =>
    sandbox((layer) => {
      const line = "dir d x:trusted.overlay.redirect=/etc x:user.overlay.opaque=y x:user.ok=1";
      unpack(tarOf([line, "file f x x:trusted.overlay.metacopy=y"]), layer);
      const text = describeTree(layer).join("\n");
      assert(text.includes("user.ok=1"));
      const value = new Uint8Array(10);
      for (const name of ["trusted.overlay.redirect", "user.overlay.opaque"]) {
        assert(sys("lgetxattr", cBytes(`${layer}/d`), name, value, 10) < 0, name);
      }
    }),
});

const MARKS: [name: string, lines: string[], want: string[], opaque: string[]][] = [
  ["a whiteout", ["dir d", "file d/.wh.gone"], ["dir d", "char d/gone"], []],
  ["an opaque directory", ["dir d", "file d/.wh..wh..opq", "file d/x y"], [
    "dir d",
    "file d/x",
  ], ["d"]],
  ["a whiteout and a file of that name after it", ["file .wh.a", "file a x"], ["file a"], []],
  ["a whiteout after a file of that name", ["file a x", "file .wh.a"], ["file a"], []],
  ["a whiteout and a directory of that name after it", ["file .wh.d", "dir d", "file d/x y"], [
    "dir d",
    "file d/x",
  ], ["d"]],
  ["a whiteout and a file in a directory of that name", ["file .wh.d", "file d/x y"], [
    "dir d",
    "file d/x",
  ], ["d"]],
  ["a whiteout after a directory of that name", ["dir d", "file .wh.d"], ["dir d"], ["d"]],
  ["housekeeping of aufs", ["dir .wh..wh.plnk", "file .wh..wh.aufs"], [], []],
];

for (const [way, options] of WAYS) {
  for (const [name, lines, want, opaque] of MARKS) {
    Deno.test({
      name: `Unpacker turns into overlayfs's form: ${name}, files ${way}`,
      ...needsRoot,
      fn: () =>
        sandbox((layer) => {
          unpack(tarOf(lines), layer, options);
          assertEquals(shape(layer), want);
          const dirs = want.filter((line) => line.startsWith("dir ")).map((line) => line.slice(4));
          assertEquals(dirs.filter((dir) => hasOpaque(`${layer}/${dir}`)), opaque);
        }),
    });
  }
}

/** On an overlay, a device as a mark would be the overlay's own: there the mark is a file. */
for (const [name, lines, want, opaque] of MARKS) {
  Deno.test({
    name: `Unpacker turns on an overlay into files what it has no devices for: ${name}`,
    ...needsRoot,
    fn: () =>
      sandbox((layer) => {
        for (const part of ["l", "u", "w", "m"]) Deno.mkdirSync(`${layer}/${part}`);
        const options = `lowerdir=${layer}/l,upperdir=${layer}/u,workdir=${layer}/w`;
        const args = ["-t", "overlay", "overlay", "-o", options, `${layer}/m`];
        assert(new Deno.Command("mount", { args }).outputSync().success);
        try {
          unpack(tarOf(lines), `${layer}/m`);
          const files = want.map((line) => line.replace("char d/gone", "file d/.wh.gone"));
          assertEquals(shape(`${layer}/m`), files);
          const dirs = want.filter((line) => line.startsWith("dir ")).map((line) => line.slice(4));
          assertEquals(dirs.filter((dir) => hasOpaque(`${layer}/m/${dir}`)), opaque);
        } finally {
          new Deno.Command("umount", { args: [`${layer}/m`] }).outputSync();
        }
      }),
  });
}

Deno.test({
  name: "Unpacker gives implied directories the looks they have in the layers below",
  ...needsRoot,
  fn: () =>
    sandbox((layer) => {
      const lower = `${layer}/lower`;
      const upper = `${layer}/upper`;
      Deno.mkdirSync(lower);
      Deno.mkdirSync(upper);
      unpack(tarOf(["dir a 2750 uid=7 gid=8 mtime=5.5", "dir a/b 1777"]), lower);
      unpack(tarOf(["file a/b/c x"]), upper, { lowers: [lower] });
      assertEquals(
        describeTree(upper).slice(0, 2),
        describeTree(lower).slice(0, 2),
      );
    }),
});

const NOBODY = 65534;

/** Runs `body` as an ordinary user: the identity of this one thread, by the bare call. */
function asNobody(body: () => void): void {
  assertEquals(sys("setresuid", -1, NOBODY, -1), 0);
  try {
    body();
  } finally {
    assertEquals(sys("setresuid", -1, 0, -1), 0);
  }
}

Deno.test({
  name: "Unpacker skips devices and keeps its own owner where an ordinary user unpacks",
  ...needsRoot,
  fn: () =>
    sandbox((layer) => {
      Deno.chownSync(layer, NOBODY, NOBODY);
      Deno.chmodSync(layer.slice(0, layer.lastIndexOf("/")), 0o755);
      const lines = [
        "dir d 0555 uid=5",
        "file d/a x uid=0 x:security.capability=0x0100000200040000000000000000000000000000 x:user.k=v",
        "char dev 1 3",
        "block sda 8 0",
        "fifo p",
        "file .wh.gone",
        "file d/.wh..wh..opq",
      ];
      let skipped: string[] = [];
      asNobody(() => skipped = unpack(tarOf(lines), layer, { overlay: "user" }).skipped);
      assertEquals(skipped, ["dev", "sda"]);
      const found = describeTree(layer).map((line) => line.split(" ").slice(0, 4).join(" "));
      assertEquals(found, [
        'dir "d" 555 65534:0',
        'file "d/a" 644 65534:0',
        'char "gone" 0 65534:0',
        'fifo "p" 644 65534:0',
      ]);
      const value = new Uint8Array(1);
      assertEquals(sys("lgetxattr", cBytes(`${layer}/d`), "user.overlay.opaque", value, 1), 1);
    }),
});

/** Everything a layer can hold. */
const RICH = [
  "dir bin",
  "file bin/su binary mode=4755 x:security.capability=0x0100000200040000000000000000000000000000",
  "dir tmp 1777",
  "dir shared 2775 uid=1000 gid=5000",
  "file shared/note hello uid=3000000 gid=4000000 mtime=1600000000.123456789",
  "hardlink shared/same shared/note",
  "symlink shared/link ../bin/su mtime=1500000000.000000001 uid=5",
  "symlink dangling /nowhere/at/all",
  "hardlink shared/link2 shared/link",
  "char dev-null 1 3 mode=666 uid=1 gid=2",
  "block dev-sda 8 0",
  "char dev-big 300 70000",
  "fifo pipe mode=600",
  "file ünïcödé/名前 x x:user.note=ünï",
  `file ${"long/".repeat(60)}name x`,
  `file ${"n".repeat(255)} x`,
  "file old x mtime=-86400",
  "file late x mtime=4102444800",
  "dir closed 0000",
  "file closed/inside x",
  "dir empty",
];

for (const [way, options] of WAYS) {
  Deno.test({
    name: `Unpacker makes of an archive what GNU tar makes of it, files ${way}`,
    ...needsRoot,
    fn: () =>
      sandbox((layer) => {
        Deno.mkdirSync(`${layer}/ours`);
        Deno.mkdirSync(`${layer}/gnu`);
        Deno.writeFileSync(`${layer}/a.tar`, tarOf(RICH));
        unpack(tarOf(RICH), `${layer}/ours`, options);
        const gnu = new Deno.Command("tar", {
          args: ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", "a.tar", "-C", "gnu"],
          cwd: layer,
        }).outputSync();
        assert(gnu.success, new TextDecoder().decode(gnu.stderr));
        const tree = { withoutDirectoryTimes: true };
        const wanted = describeTree(`${layer}/gnu`, tree).filter((line) => !line.includes('"long'));
        const found = describeTree(`${layer}/ours`, tree).filter((l) => !l.includes('"long'));
        assertEquals(found, wanted);
      }),
  });
}

function pack(directory: string, marks: "whiteouts" | "none" = "whiteouts"): Bytes {
  const parts: Bytes[] = [];
  using root = openAt(null, directory, O_RDONLY | O_DIRECTORY);
  packTree(root.raw, { marks }, (chunk) => parts.push(chunk.slice()));
  return concat(parts);
}

Deno.test({
  name: "packTree() and Unpacker give the same tree and the same bytes again",
  ...needsRoot,
  fn: () =>
    sandbox((layer) => {
      for (const name of ["one", "two"]) Deno.mkdirSync(`${layer}/${name}`);
      const marks = ["file bin/.wh.gone", "file empty/.wh..wh..opq"];
      unpack(tarOf([...RICH, ...marks]), `${layer}/one`);
      const first = pack(`${layer}/one`);
      unpack(first, `${layer}/two`);
      assertEquals(describeTree(`${layer}/two`), describeTree(`${layer}/one`));
      assert(hasOpaque(`${layer}/two/empty`));
      assertEquals(pack(`${layer}/two`), first);
    }),
});

Deno.test({
  name: "packTree() writes what GNU tar reads",
  ...needsRoot,
  fn: () =>
    sandbox((layer) => {
      for (const name of ["one", "gnu"]) Deno.mkdirSync(`${layer}/${name}`);
      unpack(tarOf(RICH), `${layer}/one`);
      Deno.writeFileSync(`${layer}/a.tar`, pack(`${layer}/one`));
      const gnu = new Deno.Command("tar", {
        args: ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", "a.tar", "-C", "gnu"],
        cwd: layer,
      }).outputSync();
      assert(gnu.success, new TextDecoder().decode(gnu.stderr));
      assertEquals(describeTree(`${layer}/gnu`), describeTree(`${layer}/one`));
    }),
});

Deno.test({
  name: "packTree() keeps holes as holes",
  ...needsRoot,
  fn: () =>
    sandbox((layer) => {
      for (const name of ["one", "two"]) Deno.mkdirSync(`${layer}/${name}`);
      const file = Deno.openSync(`${layer}/one/big`, { write: true, create: true });
      file.truncateSync(1 << 30);
      file.seekSync(500 << 20, Deno.SeekMode.Start);
      file.writeSync(new TextEncoder().encode("in the middle"));
      file.close();
      const archive = pack(`${layer}/one`);
      assert(archive.length < 100_000, `${archive.length} bytes`);
      const { size } = unpack(archive, `${layer}/two`);
      assertEquals(size, 1 << 30);
      const { blocks } = Deno.statSync(`${layer}/two/big`);
      assert(blocks! < 100, `${blocks} blocks`);
      const compared = new Deno.Command("cmp", { args: ["one/big", "two/big"], cwd: layer });
      assert(compared.outputSync().success);
    }),
});

Deno.test({
  name: "Unpacker keeps names that are not UTF-8",
  ...needsRoot,
  fn: () =>
    sandbox((layer) => {
      const name = byteString(new Uint8Array([0x66, 0xff, 0x80, 0x6f]));
      const entry = { ...plainEntry("x", "file", 0, 0o644), path: name };
      const archive = concat([entryHeader(entry, 0), endMark()]);
      unpack(archive, layer);
      assertEquals(describeTree(layer).map((line) => line.split(" ")[1]), [JSON.stringify(name)]);
      assertEquals(pack(layer).length, 512 * 5);
    }),
});
