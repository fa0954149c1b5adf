/** push: what a registry has already is not sent; registries on any port. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ImageBox, oldDockerArchive, type Wish } from "../lib/image_box.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";
import { canServe, PASSWORD, Registry, USER } from "../lib/registry.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const OPTIONS = skipUnless(isRoot() && canServe(), "needs root, docker-registry and openssl");

const WISH: Wish = { tags: ["app:1"], layers: [["file a one"], ["file b two"]] };

enterTestNetwork();

async function boxWithImage(): Promise<ImageBox> {
  const box = new ImageBox();
  await box.ok("load", "-i", box.file("app.tar", oldDockerArchive(WISH)));
  return box;
}

for (const login of ["none", "token"] as const) {
  Deno.test({
    name: `push lets a registry with login ${login} take layers from its other repositories`,
    ...OPTIONS,
    async fn() {
      await using registry = await Registry.start(login);
      using box = await boxWithImage();
      const { host } = registry;
      if (login === "token") {
        const words = ["login", "-u", USER, "--password-stdin", host];
        assertEquals((await box.feed(new TextEncoder().encode(PASSWORD), ...words)).code, 0);
      }
      await box.ok("tag", "app:1", `${host}/team/one:1`);
      await box.ok("tag", "app:1", `${host}/team/two:1`);
      assertMatch(await box.ok("push", `${host}/team/one:1`), /(: Pushed\n.*){2}/s);
      const out = await box.ok("push", `${host}/team/two:1`);
      assertEquals(out.match(/: Mounted from team\/one$/gm)?.length, 2, out);
      await box.ok("rmi", "-f", "app:1", `${host}/team/one:1`, `${host}/team/two:1`);
      assertStringIncludes(await box.ok("pull", `${host}/team/two:1`), "Downloaded newer image");
    },
  });
}

Deno.test({
  name: "push and pull reach a registry on a port that browsers do not go to",
  ...OPTIONS,
  async fn() {
    await using registry = await Registry.start("basic", 6000);
    using box = await boxWithImage();
    const name = `${registry.host}/app:1`;
    await box.ok("tag", "app:1", name);
    const refused = await box.run("push", name);
    assertEquals([refused.code, refused.err], [1, "no basic auth credentials\n"]);
    const words = ["login", "-u", USER, "--password-stdin", registry.host];
    assertEquals((await box.feed(new TextEncoder().encode(PASSWORD), ...words)).code, 0);
    assertMatch(await box.ok("push", name), /^1: digest: sha256:[0-9a-f]{64} size: \d+$/m);
    await box.ok("rmi", "-f", name, "app:1");
    assertStringIncludes(await box.ok("pull", name), "Downloaded newer image");
  },
});

Deno.test({
  name: "a port that is none is refused as such",
  ...OPTIONS,
  async fn() {
    using box = new ImageBox();
    const { code, err } = await box.run("pull", "registry.test:99999/app");
    const want = 'Get "https://registry.test:99999/v2/": dial tcp: address 99999: invalid port';
    assertEquals([code, err], [1, `Error response from daemon: ${want}\n`]);
  },
});
