/** `manifest inspect`: whether a tag is there, and what is behind it, without a pull. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { ImageBox, oldDockerArchive } from "../lib/image_box.ts";
import { canServe, Registry } from "../lib/registry.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const OPTIONS = skipUnless(isRoot() && canServe(), "needs root, docker-registry and openssl");

Deno.test({
  name: "manifest inspect shows what a registry has, pulls nothing, and fails for absent tags",
  ...OPTIONS,
  async fn() {
    await using registry = await Registry.start();
    using sender = new ImageBox();
    const name = `${registry.host}/app:1`;
    const wish = { tags: [name], layers: [["file a x"]] };
    await sender.ok("load", "-i", sender.file("image.tar", oldDockerArchive(wish)));
    await sender.ok("push", name);
    const [{ Descriptor }] = JSON.parse(await sender.ok("image", "inspect", name));

    using box = new ImageBox();
    const shown = JSON.parse(await box.ok("manifest", "inspect", name));
    assertEquals([shown.schemaVersion, shown.layers.length], [2, 1]);
    const verbose = JSON.parse(await box.ok("manifest", "inspect", "-v", name));
    assertEquals(verbose, { Ref: name, Descriptor, OCIManifest: shown });

    const type = "application/vnd.oci.image.index.v1+json";
    const entry = { ...Descriptor, platform: { os: "linux", architecture: "amd64" } };
    const list = { schemaVersion: 2, mediaType: type, manifests: [entry] };
    const put = await fetch(`http://${registry.host}/v2/app/manifests/all`, {
      method: "PUT",
      headers: { "content-type": type },
      body: JSON.stringify(list),
    });
    assertEquals(put.status, 201, await put.text());
    const all = `${registry.host}/app:all`;
    assertEquals(await box.ok("manifest", "inspect", all), JSON.stringify(list, null, "   "));
    const one = JSON.parse(await box.ok("manifest", "inspect", "--verbose", all));
    assertEquals(one.Ref, `${all}@${Descriptor.digest}`);
    assertEquals(one.Descriptor.platform, entry.platform);

    const absent = await box.run("manifest", "inspect", `${registry.host}/app:2`);
    assertEquals([absent.code, absent.out], [1, ""]);
    assertStringIncludes(absent.err, `no such manifest: ${registry.host}/app:2`);
    assertEquals(await box.ok("images", "-aq"), "");
  },
});
