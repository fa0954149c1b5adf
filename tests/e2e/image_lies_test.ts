/** pull from registries that lie: nothing of it is kept, and no password is given away. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { gzipSync } from "node:zlib";
import { digest, ImageBox, makeImage } from "../lib/image_box.ts";
import { PASSWORD, ScriptedRegistry, USER } from "../lib/registry.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const OPTIONS = skipUnless(isRoot(), "needs root");

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...OPTIONS, fn });
}

interface Lie {
  manifest?: (bytes: Uint8Array<ArrayBuffer>) => Response;
  blob?: (bytes: Uint8Array<ArrayBuffer>, request: Request) => Response;
}

/** A registry with one image, whose answers may be changed. */
function lying(lie: Lie) {
  const image = makeImage({ layers: [["file a hello"]] });
  const layer = new Uint8Array(gzipSync(image.layers[0]));
  const type = "application/vnd.oci.image.manifest.v1+json";
  const manifest = new TextEncoder().encode(JSON.stringify({
    schemaVersion: 2,
    mediaType: type,
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      digest: image.id,
      size: image.config.length,
    },
    layers: [{
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
      digest: digest(layer),
      size: layer.length,
    }],
  }));
  const blobs = new Map([[image.id, image.config], [digest(layer), layer]]);
  return {
    manifest: digest(manifest),
    registry: new ScriptedRegistry((request, path) => {
      if (path.includes("/manifests/")) {
        return lie.manifest?.(manifest) ??
          new Response(manifest, { headers: { "content-type": type } });
      }
      const bytes = blobs.get(path.split("/").at(-1)!);
      if (bytes === undefined) return new Response(null, { status: 404 });
      const isLayer = bytes === layer;
      return isLayer && lie.blob ? lie.blob(bytes, request) : new Response(bytes);
    }),
  };
}

const LIES: [name: string, lie: Lie, error: RegExp][] = [
  ["a layer with other bytes", {
    blob: (bytes) => new Response(bytes.with(30, bytes[30] ^ 1)),
  }, /verification failed for digest sha256/],
  ["a layer that is longer", {
    blob: (bytes) => new Response(new Uint8Array([...bytes, 1])),
  }, /verification failed for digest sha256.*more bytes than announced/],
  ["a manifest that is no JSON", { manifest: () => new Response("<html>") }, /not JSON/],
  ["a manifest of 20 MB", {
    manifest: () => new Response(new Uint8Array(20 << 20)),
  }, /more than 4194304 bytes/],
  ["a manifest of the old kind", {
    manifest: () => Response.json({ schemaVersion: 1, layers: [] }),
  }, /schema version 1 is not supported/],
  ["digests that are paths", {
    manifest: () =>
      Response.json({
        schemaVersion: 2,
        config: { digest: "sha256:../../../../etc/passwd", size: 1 },
        layers: [],
      }),
  }, /bad digest/],
  ["a negative size", {
    manifest: (bytes) => {
      const document = JSON.parse(new TextDecoder().decode(bytes));
      document.layers[0].size = -1;
      return Response.json(document);
    },
  }, /bad size/],
  ["no image for this machine", {
    manifest: (bytes) =>
      Response.json({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.index.v1+json",
        manifests: [{
          mediaType: "application/vnd.oci.image.manifest.v1+json",
          digest: digest(bytes),
          size: bytes.length,
          platform: { os: "plan9", architecture: "mips" },
        }],
      }),
  }, /no matching manifest for linux\/\w+ in the manifest list entries/],
  ["too many requests", {
    manifest: () =>
      Response.json({ errors: [{ code: "TOOMANYREQUESTS", message: "slow down" }] }, {
        status: 429,
      }),
  }, /toomanyrequests: slow down/],
];

for (const [name, lie, error] of LIES) {
  test(`pull refuses a registry that has ${name}, and keeps nothing of it`, async () => {
    const { registry } = lying(lie);
    await using _registry = registry;
    using box = new ImageBox();
    const result = await box.run("pull", `${registry.host}/x:1`);
    assertEquals(result.code, 1);
    assertMatch(result.err, error);
    assertEquals(await box.ok("images", "-aq"), "");
    const layers = await box.ok("system", "df", "--format", "{{.Size}}");
    assertMatch(layers, /^0B\n/);
  });
}

test("pull by digest refuses another manifest", async () => {
  const { registry } = lying({});
  await using _registry = registry;
  using box = new ImageBox();
  const other = `sha256:${"0".repeat(64)}`;
  const { code, err } = await box.run("pull", `${registry.host}/x@${other}`);
  assertEquals(code, 1);
  assertStringIncludes(err, `manifest verification failed for digest ${other}`);
});

test("a redirect to another host does not get the password", async () => {
  await using storage = new ScriptedRegistry(() => new Response("no", { status: 403 }));
  let asked = "";
  const image = makeImage({ layers: [["file a hello"]] });
  await using front = new ScriptedRegistry((request, path) => {
    asked = request.headers.get("authorization") ?? "";
    if (asked === "") {
      return new Response(null, { status: 401, headers: { "www-authenticate": "Basic realm=x" } });
    }
    if (path === "/v2/") return new Response("{}");
    if (path.includes("/manifests/")) {
      return Response.json({
        schemaVersion: 2,
        config: { mediaType: "x", digest: image.id, size: image.config.length },
        layers: [],
      });
    }
    const port = storage.host.split(":")[1];
    return Response.redirect(`http://localhost:${port}/blob`);
  });
  using box = new ImageBox();
  await box.feed(
    new TextEncoder().encode(PASSWORD),
    ...["login", "-u", USER, "--password-stdin", front.host],
  );
  assertEquals((await box.run("pull", `${front.host}/x:1`)).code, 1);
  assert(asked.startsWith("Basic "), "the registry itself was not logged in to");
  assert(storage.seen.length > 0, "the redirect was not followed");
  for (const { headers } of storage.seen) assertEquals(headers.get("authorization"), null);
});
