/** What pull and push show on a terminal, and what they don't show elsewhere. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ImageBox, oldDockerArchive } from "../lib/image_box.ts";
import { PseudoTerminal } from "../lib/pseudo_terminal.ts";
import { canServe, forward, Registry, ScriptedRegistry } from "../lib/registry.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const OPTIONS = skipUnless(isRoot() && canServe(), "needs root, docker-registry and openssl");

/** What was shown, with the escape character as one that can be seen. */
const visible = (text: string) => text.replaceAll("\x1b", "^");

/** A layer that does not compress, so that it comes in many pieces. */
function bigLayer(): string[] {
  const noise = crypto.getRandomValues(new Uint8Array(60_000)).toHex();
  return Array.from({ length: 10 }, (_, i) => `file big${i} ${i}${noise}`);
}

/** Holds up each big blob after its first bytes until the returned function is called. */
function heldBack(host: string): { registry: ScriptedRegistry; release: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const registry = new ScriptedRegistry(async (request, path) => {
    const response = await forward(request, host);
    if (request.method !== "GET" || !path.includes("/blobs/")) return response;
    if (Number(response.headers.get("content-length")) < 100_000) return response;
    let sent = 0;
    const slow = new TransformStream<Uint8Array, Uint8Array>({
      async transform(chunk, controller) {
        if (sent > 0) await promise;
        sent += chunk.length;
        controller.enqueue(chunk);
      },
    });
    return new Response(response.body!.pipeThrough(slow), response);
  });
  return { registry, release: resolve };
}

Deno.test({
  name: "pull draws a bar for each layer on a terminal, and none into a pipe",
  ...OPTIONS,
  async fn() {
    await using registry = await Registry.start();
    using sender = new ImageBox();
    const wish = { tags: [`${registry.host}/big:1`], layers: [bigLayer(), ["file small x"]] };
    await sender.ok("load", "-i", sender.file("image.tar", oldDockerArchive(wish)));
    await sender.ok("push", wish.tags[0]);
    const held = heldBack(registry.host);
    await using _front = held.registry;
    using box = new ImageBox();
    using terminal = new PseudoTerminal();
    terminal.resize(24, 120);
    const name = `${held.registry.host}/big:1`;
    const child = terminal.spawn(box, "pull", name);
    await terminal.until(/[0-9a-f]{12}: Downloading \[=*> +\] +[0-9.]+kB\/[0-9.]+kB/);
    held.release();
    await terminal.until(new RegExp(`${name}\\r\\n$`));
    assertEquals((await child.status).code, 0);
    // The lines are drawn over: the cursor goes up, clears one, and comes back.
    const shown = visible(terminal.shown);
    assertMatch(shown, /\^\[[12]A\r\^\[2K[0-9a-f]{12}: Pull complete\r\^\[[12]B/);
    assertEquals(shown.match(/: Pull complete/g)?.length, 2);
    for (const part of shown.split(/[\r\n]|\^\[\d*[A-Z]/)) assert(part.length < 120, part);

    using other = new ImageBox();
    const piped = await other.ok("pull", name);
    assert(!/Downloading|Extracting|[\^\r]/.test(visible(piped)), piped);
    for (const id of new Set(piped.match(/^[0-9a-f]{12}(?=: )/gm))) {
      const told = piped.split("\n").filter((line) => line.startsWith(`${id}: `));
      assertEquals(told.map((line) => line.slice(id.length + 2)), [
        "Pulling fs layer",
        "Verifying Checksum",
        "Download complete",
        "Pull complete",
      ]);
    }
  },
});

Deno.test({
  name: "load draws a bar for each layer on a terminal, and none into a pipe",
  ...OPTIONS,
  async fn() {
    using box = new ImageBox();
    const archive = oldDockerArchive({ tags: ["big:1"], layers: [bigLayer()] });
    const path = box.file("image.tar", archive);
    using terminal = new PseudoTerminal();
    terminal.resize(24, 120);
    const child = terminal.spawn(box, "load", "-i", path);
    await terminal.until(/[0-9a-f]{12}: Loading layer \[=*> *\] +[0-9.]+MB\/[0-9.]+MB/);
    await terminal.until(/Loaded image: big:1\r\n$/);
    assertEquals((await child.status).code, 0);
    await box.ok("rmi", "big:1");
    assertEquals(await box.ok("load", "-i", path), "Loaded image: big:1");
  },
});
