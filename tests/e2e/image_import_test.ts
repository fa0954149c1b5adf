/** import from an address, and what it says of sources that are none. */
import { assertEquals, assertMatch } from "@std/assert";
import { gzipSync } from "node:zlib";
import { ImageBox } from "../lib/image_box.ts";
import { freePort } from "../lib/registry.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";
import { tarOf } from "../lib/tree.ts";

const OPTIONS = skipUnless(isRoot(), "needs root");
const DIGEST = `sha256:${"0".repeat(64)}`;

Deno.test({
  name: "import takes an archive from an address, and says why it cannot",
  ...OPTIONS,
  async fn() {
    using box = new ImageBox();
    const archive = new Uint8Array(
      gzipSync(tarOf(["file a one", `file big ${"x".repeat(3 << 20)}`])),
    );
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) =>
        new URL(request.url).pathname === "/root.tar.gz"
          ? new Response(archive)
          : new Response("not here\n", { status: 404 }),
    );
    const at = `http://127.0.0.1:${(server.addr as Deno.NetAddr).port}`;
    const said = await box.ok("import", `${at}/root.tar.gz`, "app:1");
    assertMatch(said, /^Downloading from \S+\nsha256:[0-9a-f]{64}$/);
    assertEquals(await box.ok("images", "--format", "{{.Size}}", "app"), "3.15MB");
    assertEquals(
      await box.ok("history", "--format", "{{.Comment}}", "app:1"),
      `Imported from ${at}/root.tar.gz`,
    );
    const prefix = "Error response from daemon:";
    const port = freePort();
    const refused: [source: string, err: string][] = [
      [`${at}/none`, `${prefix} failed to GET ${at}/none with status 404 Not Found: not here`],
      [
        `http://127.0.0.1:${port}/x`,
        `${prefix} Get "http://127.0.0.1:${port}/x": dial tcp 127.0.0.1:${port}: connect: ` +
        "connection refused",
      ],
      [box.top, `read ${box.top}: is a directory`],
      [`${box.top}/none`, `open ${box.top}/none: no such file or directory`],
    ];
    for (const [source, err] of refused) {
      const answer = await box.run("import", source);
      assertEquals(answer, { code: 1, out: "", err: `${err}\n` });
    }
    assertEquals(
      await box.run("import", `${at}/root.tar.gz`, `app@${DIGEST}`),
      { code: 1, out: "", err: `${prefix} cannot import digest reference\n` },
    );
  },
});
