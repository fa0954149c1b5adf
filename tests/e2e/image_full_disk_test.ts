/** A disk that is too small: every command says so and leaves nothing half-made. */
import { assertEquals, assertMatch } from "@std/assert";
import { sys } from "../../ffi/libc.ts";
import { ImageBox, oldDockerArchive } from "../lib/image_box.ts";
import { Registry } from "../lib/registry.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const needs = skipUnless(
  isRoot() && hasProgram("docker-registry"),
  "needs root and docker-registry",
);

/** Twelve megabytes that do not shrink. */
function bigFile(): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
  const random = crypto.getRandomValues(new Uint8Array(65536));
  return Array.from(
    { length: 192 },
    (_, i) => Array.from(random, (byte) => letters[(byte + i) % 64]).join(""),
  ).join("");
}

/** A box whose store has room for `megabytes`. */
function smallBox(megabytes: number): ImageBox & Disposable {
  const box = new ImageBox();
  Deno.mkdirSync(box.root, { recursive: true });
  assertEquals(sys("mount", "tmpfs", box.root, "tmpfs", 0, `size=${megabytes}m`), 0);
  return Object.assign(box, {
    [Symbol.dispose]() {
      sys("umount2", box.root, 2);
      ImageBox.prototype[Symbol.dispose].call(box);
    },
  });
}

/** The last: what comes is unpacked as it comes, and so much was still free then. */
const NO_ROOM = /no space left on device|ENOSPC|less than 5% of the free disk space/i;

Deno.test({
  name: "load, import, pull and save tell of a full disk and leave nothing half-made",
  ...needs,
  async fn() {
    await using registry = await Registry.start();
    using big = new ImageBox();
    const name = `${registry.host}/big:1`;
    const archive = oldDockerArchive({ tags: [name], layers: [[`file f ${bigFile()}`]] });
    big.file("image.tar", archive);
    await big.ok("load", "-i", `${big.top}/image.tar`);
    await big.ok("push", name);
    const [layer] = await big.layers(name);
    assertEquals(
      new Deno.Command("tar", {
        args: ["-C", layer, "-cf", `${big.top}/root.tar`, "."],
      }).outputSync().success,
      true,
    );

    // Room for the blob alone, and not even for that.
    for (const megabytes of [18, 6]) {
      using box = smallBox(megabytes);
      const commands = [
        ["load", "-i", `${big.top}/image.tar`],
        ["import", `${big.top}/root.tar`, "x:1"],
        ["pull", name],
      ];
      for (const command of commands) {
        const { code, err } = await box.run(...command);
        assertEquals(code, 1, `${command[0]} with ${megabytes} MB`);
        assertMatch(err, NO_ROOM);
        assertEquals(err.trim().split("\n").length, 1, err);
        assertEquals(await box.ok("images", "-qa"), "");
        assertEquals(box.names("tmp"), []);
        // What was received would keep the disk full.
        assertEquals(box.names("images/parts"), []);
      }
      const fed = await box.feed(archive, "load");
      assertEquals(fed.code, 1);
      assertMatch(fed.err, NO_ROOM);
      assertEquals(await box.ok("images", "-qa"), "");
      const saved = await big.run("save", "-o", `${box.root}/s.tar`, name);
      assertEquals(saved.code, megabytes === 6 ? 1 : 0, saved.err);
    }
  },
});

Deno.test({
  name: "image prune frees what interrupted downloads have left",
  ...skipUnless(isRoot(), "needs root"),
  async fn() {
    using box = new ImageBox();
    const archive = oldDockerArchive({ tags: ["app:1"], layers: [["file a x"]] });
    await box.ok("load", "-i", box.file("app.tar", archive));
    Deno.writeTextFileSync(`${box.root}/images/parts/${"ab".repeat(32)}`, "12345");
    assertEquals(await box.ok("image", "prune", "-f"), "Total reclaimed space: 5B");
    assertEquals(box.names("images/parts"), []);
    assertEquals(await box.ok("images", "-q").then((out) => out.length), 12);
  },
});
