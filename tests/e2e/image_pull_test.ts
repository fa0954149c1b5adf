/** pull, push and search against Debian's docker-registry. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ImageBox, makeImage, oldDockerArchive, peer } from "../lib/image_box.ts";
import { canServe, forward, Registry, ScriptedRegistry } from "../lib/registry.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";
import { describeTree } from "../lib/tree.ts";

const OPTIONS = skipUnless(isRoot() && canServe(), "needs root, docker-registry and openssl");

const LAYERS = [
  ["dir bin", "file bin/tool one mode=4755", "dir etc", "file etc/old x uid=3000000"],
  ["file etc/.wh.old", "file etc/new y mtime=1600000000.5"],
];

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...OPTIONS, fn });
}

async function loaded(box: ImageBox, tag: string, layers = LAYERS): Promise<void> {
  const path = box.file("image.tar", oldDockerArchive({ tags: [tag], layers }));
  await box.ok("load", "-i", path);
}

/** What the log of events says of images: actions, names, labels. */
async function told(box: ImageBox): Promise<string[]> {
  const format = "{{.Action}} {{.Actor.ID}} {{json .Actor.Attributes}}";
  const range = ["--since", "1h", "--until", new Date().toISOString()];
  const lines = await box.ok("events", ...range, "--filter", "type=image", "--format", format);
  return lines.replaceAll(/sha256:[0-9a-f]{64}/g, "<id>").split("\n");
}

test("push and pull are told with the repository's name and the image's labels", async () => {
  await using registry = await Registry.start();
  using sender = new ImageBox();
  using box = new ImageBox();
  const name = `${registry.host}/team/app`;
  const config = { Labels: { made: "here" } };
  const archive = oldDockerArchive({ tags: [`${name}:1.0`], layers: LAYERS, config });
  await sender.ok("load", "-i", sender.file("image.tar", archive));
  await sender.ok("push", `${name}:1.0`);
  await box.ok("pull", "-q", `${name}:1.0`);
  const attributes = JSON.stringify({ made: "here", name });
  assertEquals(await told(sender), [
    `load <id> {"made":"here","name":"<id>"}`,
    `push ${name}:1.0 ${attributes}`,
  ]);
  assertEquals(await told(box), [`pull ${name}:1.0 ${attributes}`]);
});

test("pull brings back what push sent, byte for byte, in docker's words", async () => {
  await using registry = await Registry.start();
  using sender = new ImageBox();
  using box = new ImageBox();
  const name = `${registry.host}/team/app:1.0`;
  await loaded(sender, name);
  const pushed = await sender.ok("push", name);
  assertMatch(pushed, /^The push refers to repository \[127\.0\.0\.1:\d+\/team\/app\]\n/);
  assertMatch(pushed, /^[0-9a-f]{12}: Pushed$/m);
  const sum = /^1\.0: digest: (sha256:[0-9a-f]{64}) size: \d+$/m.exec(pushed)![1];
  const pulled = await box.ok("pull", name);
  assertMatch(pulled, /^1\.0: Pulling from team\/app$/m);
  assertEquals(pulled.match(/^[0-9a-f]{12}: Pull complete$/mg)?.length, 2);
  assertEquals(pulled.split("\n").slice(-3), [
    `Digest: ${sum}`,
    `Status: Downloaded newer image for ${name}`,
    name,
  ]);
  assertEquals(box.names("images/blobs/sha256"), sender.names("images/blobs/sha256"));
  const again = await box.ok("pull", name);
  assertEquals(again.split("\n"), [
    "1.0: Pulling from team/app",
    `Digest: ${sum}`,
    `Status: Image is up to date for ${name}`,
    name,
  ]);
  assertEquals(await box.ok("pull", "-q", name), name);
  const byDigest = `${registry.host}/team/app@${sum}`;
  const pulledByDigest = (await box.ok("pull", byDigest)).split("\n");
  assertEquals([pulledByDigest[0], pulledByDigest.at(-1)], [
    `${byDigest}: Pulling from team/app`,
    byDigest,
  ]);
  assertEquals(
    (await sender.run("push", `${name}-nope`)).err,
    `tag does not exist: ${name}-nope\n`,
  );
  const [one, two] = [await sender.layers(name), await box.layers(name)];
  for (const i of [0, 1]) assertEquals(describeTree(two[i]), describeTree(one[i]));
  assertStringIncludes(await sender.ok("push", name), "Layer already exists");
});

test("pull unpacks what skopeo pushed, and skopeo reads what is stored and what is pushed", async () => {
  if (!hasProgram("skopeo")) return;
  await using registry = await Registry.start();
  using box = new ImageBox();
  const path = box.file("image.tar", oldDockerArchive({ tags: ["x:1"], layers: LAYERS }));
  const name = `${registry.host}/x:1`;
  // docker's manifest type, then OCI's.
  for (const format of ["v2s2", "oci"]) {
    await peer(
      ...["skopeo", "copy", "--format", format, "--dest-tls-verify=false"] as const,
      `docker-archive:${path}`,
      `docker://${name}`,
    );
    await box.ok("pull", name);
    const inspected = await peer("skopeo", "inspect", `oci:${box.root}/images:${name}`);
    assertEquals(JSON.parse(inspected).Os, "linux");
  }
  await box.ok("tag", name, `${registry.host}/y:2`);
  await box.ok("push", `${registry.host}/y:2`);
  const pushed = JSON.parse(
    await peer("skopeo", "inspect", "--tls-verify=false", `docker://${registry.host}/y:2`),
  );
  const original = JSON.parse(
    await peer("skopeo", "inspect", "--tls-verify=false", `docker://${name}`),
  );
  assertEquals(pushed.Layers, original.Layers);
  assertEquals(pushed.Digest, original.Digest);
});

test("pull tells absent tags, absent repositories and bad names apart", async () => {
  await using registry = await Registry.start();
  using box = new ImageBox();
  await loaded(box, `${registry.host}/x:1`);
  await box.ok("push", `${registry.host}/x:1`);
  for (const what of ["x:2", "nothing"]) {
    const { code, err, out } = await box.run("pull", `${registry.host}/${what}`);
    assertEquals(code, 1);
    const name = what.includes(":") ? what : `${what}:latest`;
    assertStringIncludes(
      err,
      `Error response from daemon: manifest for ${registry.host}/${name} not found: manifest unknown`,
    );
    assertEquals(out.includes("Pulling from"), false);
  }
  const bad = await box.run("pull", "UPPER");
  assertEquals([bad.code, bad.err], [
    1,
    "invalid reference format: repository name (library/UPPER) must be lowercase\n",
  ]);
  const refused = await box.run("pull", "127.0.0.1:2/x");
  assertStringIncludes(refused.err, "connect: connection refused");
  const push = await box.run("push", `${registry.host}/none`);
  assertEquals(push.code, 1);
  assertStringIncludes(
    push.err,
    `An image does not exist locally with the tag: ${registry.host}/none`,
  );
});

test("pull -a brings all tags, push -a sends all, search lists the catalog", async () => {
  await using registry = await Registry.start();
  using box = new ImageBox();
  const base = `${registry.host}/many`;
  await loaded(box, `${base}:a`);
  await box.ok("tag", `${base}:a`, `${base}:b`);
  await box.ok("push", "-a", base);
  using other = new ImageBox();
  await other.ok("pull", "-a", base);
  const tags = await other.ok("images", "--format", "{{.Tag}}");
  assertEquals(tags.split("\n").sort(), ["a", "b"]);
  const found = await other.ok("search", "--format", "{{.Name}}", `${registry.host}/man`);
  assertEquals(found, base);
  const { code, err } = await other.run("pull", "-a", `${base}:a`);
  assertEquals(code, 1);
  assertStringIncludes(err, "tag can't be used with --all-tags/-a");
});

/** Big enough to be cut in the middle, and not compressible. */
function bigLayer(): string[] {
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const noise = Array.from(bytes, (byte) => byte.toString(16)).join("");
  return Array.from({ length: 40 }, (_, i) => `file big${i} ${i}${noise}`);
}

test("pull goes on where a broken connection left off", async () => {
  await using registry = await Registry.start();
  using sender = new ImageBox();
  let cut = 0;
  const ranges: string[] = [];
  await using proxy = new ScriptedRegistry(async (request, path) => {
    const response = await forward(request, registry.host);
    if (request.method !== "GET" || !path.includes("/blobs/")) return response;
    if (request.headers.has("range")) ranges.push(request.headers.get("range")!);
    if (Number(response.headers.get("content-length")) < 100_000 || cut++ > 0) return response;
    let sent = 0;
    const broken = response.body!.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          sent += chunk.length;
          if (sent > 300_000) controller.error(new Error("cut"));
          else controller.enqueue(chunk);
        },
      }),
    );
    return new Response(broken, response);
  });
  await loaded(sender, `${registry.host}/big:1`, [bigLayer()]);
  await sender.ok("push", `${registry.host}/big:1`);
  using box = new ImageBox();
  await box.ok("pull", `${proxy.host}/big:1`);
  assertEquals(ranges.length, 1);
  const from = Number(/^bytes=(\d+)-$/.exec(ranges[0])![1]);
  assert(from > 0, "it began from zero again");
  assertEquals(box.names("images/parts"), []);
});

test("five processes that pull one image at once download each layer once", async () => {
  await using registry = await Registry.start();
  using sender = new ImageBox();
  await loaded(sender, `${registry.host}/big:1`, [bigLayer(), ...LAYERS]);
  await sender.ok("push", `${registry.host}/big:1`);
  const seen = new Map<string, number>();
  await using proxy = new ScriptedRegistry((request, path) => {
    if (path.includes("/blobs/")) seen.set(path, (seen.get(path) ?? 0) + 1);
    return forward(request, registry.host);
  });
  using box = new ImageBox();
  const name = `${proxy.host}/big:1`;
  const children = Array.from({ length: 5 }, () => box.start("pull", name));
  const outputs = await Promise.all(children.map((child) => child.output()));
  for (const { code, stderr } of outputs) {
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  }
  assertEquals([...seen.values()], [1, 1, 1, 1]);
  assertEquals(box.names("tmp"), []);
});

test("pull takes the image for the platform that is asked for", async () => {
  await using registry = await Registry.start();
  using box = new ImageBox();
  const manifests = [];
  for (const architecture of ["amd64", "arm64"]) {
    const image = makeImage({ layers: [[`file arch ${architecture}`]] });
    const config = JSON.parse(new TextDecoder().decode(image.config));
    const made = box.file("root.tar", image.layers[0]);
    const name = `${registry.host}/multi:${architecture}`;
    await box.ok("import", "--platform", `linux/${architecture}`, made, name);
    assertEquals(config.os, "linux");
    await box.ok("push", name);
    const [{ Descriptor }] = JSON.parse(await box.ok("image", "inspect", name));
    const platform = { os: "linux", architecture };
    manifests.push({ ...Descriptor, platform });
  }
  const type = "application/vnd.oci.image.index.v1+json";
  const put = await fetch(`http://${registry.host}/v2/multi/manifests/1`, {
    method: "PUT",
    headers: { "content-type": type },
    body: JSON.stringify({ schemaVersion: 2, mediaType: type, manifests }),
  });
  assertEquals(put.status, 201, await put.text());
  for (const architecture of ["arm64", "amd64"]) {
    using fresh = new ImageBox();
    const name = `${registry.host}/multi:1`;
    await fresh.ok("pull", "--platform", `linux/${architecture}`, name);
    const found = await fresh.ok("image", "inspect", "-f", "{{.Architecture}}", name);
    assertEquals(found, architecture);
    const [layer] = await fresh.layers(name);
    assertEquals(Deno.readTextFileSync(`${layer}/arch`), architecture);
  }
  // An image behind its name alone comes whatever it is for.
  const alone = await box.ok("pull", "--platform", "linux/amd64", `${registry.host}/multi:arm64`);
  assertStringIncludes(
    alone,
    `WARNING: image with reference ${registry.host}/multi:arm64 was found but its platform ` +
      `(linux/arm64) does not match the specified platform (linux/amd64)`,
  );
  const unknown = await box.run("pull", "--platform", "foo", `${registry.host}/multi:1`);
  assertStringIncludes(unknown.err, '"foo": unknown operating system or architecture');
  const tree = (await box.ok("images", "--tree")).split("\n");
  assertMatch(tree[0], /^IMAGE +ID +DISK USAGE +CONTENT SIZE +EXTRA$/);
  assertEquals(tree.filter((line) => line.startsWith("└─ linux/arm64")).length, 1);
  const wrong = await box.run("pull", "--platform", "linux/s390x", `${registry.host}/multi:1`);
  assertStringIncludes(
    wrong.err,
    "no matching manifest for linux/s390x in the manifest list entries",
  );
});
