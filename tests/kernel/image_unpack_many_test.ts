import { assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../../ffi/errno.ts";
import { sys } from "../../ffi/libc.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";
import { tarOf } from "../lib/tree.ts";
import { sandbox, shape, unpack } from "../lib/unpack_box.ts";

const needsRoot = skipUnless(isRoot(), "needs root");

Deno.test({
  name: "Unpacker makes the last of many entries of one name, whatever the ones before it were",
  ...needsRoot,
  fn: () =>
    sandbox((layer) => {
      const lines = ["dir d", "file d/a 1", "symlink d/a x", "file d/a 2", "file d/b 1"];
      const more = ["symlink d/b ../../outside/secret", "file d/b 2", "file d/c 1", "dir d/c"];
      unpack(tarOf([...lines, ...more, "file d/c/e 3"]), layer);
      assertEquals(shape(layer), [
        "dir d",
        "file d/a",
        "file d/b",
        "dir d/c",
        "file d/c/e",
      ]);
      assertEquals(Deno.readTextFileSync(`${layer}/d/a`), "2");
      assertEquals(Deno.readTextFileSync(`${layer}/d/b`), "2");
    }),
});

Deno.test({
  name: "Unpacker makes thousands of files and links with what belongs to them",
  ...needsRoot,
  fn: () =>
    sandbox((layer) => {
      const lines: string[] = [];
      for (let i = 0; i < 1500; i++) {
        const more = `mode=0${4000 + i % 8}${i % 8}${i % 8} uid=${i} gid=${4_000_000_000 - i}`;
        const text = i % 7 === 0 ? "" : `text${i}`;
        lines.push(`file d${i % 100}/f${i} ${text} ${more} mtime=${i * 10_000_000 - 100}.5`);
        lines.push(`symlink d${i % 90}/l${i} f${i} uid=${i}`);
      }
      assertEquals(unpack(tarOf(lines), layer).size > 5000, true);
      for (let i = 0; i < 1500; i++) {
        const file = Deno.lstatSync(`${layer}/d${i % 100}/f${i}`);
        const mode = parseInt(`${4000 + i % 8}${i % 8}${i % 8}`, 8);
        assertEquals([file.uid, file.gid], [i, 4_000_000_000 - i]);
        assertEquals(file.mode! & 0o7777, mode & 0o7777);
        assertEquals(file.mtime!.getTime(), i * 10_000_000_000 - 100_000 + 500);
        const link = Deno.lstatSync(`${layer}/d${i % 90}/l${i}`);
        assertEquals([link.isSymlink, link.uid, link.mtime!.getTime()], [
          true,
          i,
          1_700_000_000_000,
        ]);
      }
    }),
});

Deno.test({
  name: "Unpacker says which file the disk had no room for",
  ...needsRoot,
  fn: () =>
    sandbox((layer) => {
      const mounted = sys("mount", "tmpfs", layer, "tmpfs", 0, "size=64k");
      assertEquals(mounted, 0);
      try {
        const big = "x".repeat(30_000);
        const archive = tarOf([`file a ${big}`, `file b ${big}`, `file c ${big}`, "file d 1"]);
        const error = assertThrows(() => unpack(archive, layer), SyscallError);
        assertEquals(error.message, 'Cannot unpack "c": write: ENOSPC');
      } finally {
        sys("umount2", layer, 2);
      }
    }),
});
