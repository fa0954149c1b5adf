/** load, save, import and what other tools make of it. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  archive,
  digest,
  ImageBox,
  makeImage,
  ociArchive,
  oldDockerArchive,
  peer,
  type Wish,
} from "../lib/image_box.ts";
import { concat, describeTree, tarOf } from "../lib/tree.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const OPTIONS = skipUnless(isRoot(), "needs root");

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...OPTIONS, fn });
}

const WISH: Wish = {
  tags: ["app:1", "registry.test/app:2"],
  layers: [
    [
      "dir bin",
      "file bin/su binary mode=4755 x:security.capability=0x0100000200040000000000000000000000000000",
      "dir etc 0750 uid=7 gid=8",
      "file etc/gone x",
      "dir data",
      "file data/lower x",
      "file big/owner x uid=3000000 gid=4000000 mtime=1600000000.123456789",
      "hardlink big/same big/owner",
      "symlink link bin/su",
      "char dev/null 1 3 mode=666",
      "fifo pipe",
      `file ${"long/".repeat(40)}file x`,
      "file ünïcödé x",
    ],
    ["file etc/.wh.gone", "file data/.wh..wh..opq", "file data/upper y", "file etc/new z"],
  ],
  config: { Cmd: ["/bin/su"], Env: ["A=b"], Labels: { k: "v" } },
};

async function trees(box: ImageBox, image: string): Promise<string[][]> {
  return (await box.layers(image)).map((layer) => describeTree(layer));
}

async function compressed(program: string, bytes: Uint8Array): Promise<Uint8Array> {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, bytes);
    const { code, stdout } = await new Deno.Command(program, { args: ["-c", path] }).output();
    assertEquals(code, 0);
    return stdout;
  } finally {
    Deno.removeSync(path);
  }
}

for (const program of ["gzip", "bzip2", "xz", "zstd"]) {
  Deno.test({
    name: `load takes an archive compressed by ${program}, from a file and from a pipe`,
    ...skipUnless(isRoot() && hasProgram(program), `needs root and ${program}`),
    async fn() {
      using box = new ImageBox();
      const bytes = await compressed(program, oldDockerArchive(WISH));
      const path = box.file("image", new Uint8Array(bytes));
      const want = "Loaded image: app:1\nLoaded image: registry.test/app:2";
      assertEquals(await box.ok("load", "-q", "-i", path), want);
      assertEquals(await box.feed(bytes, "load"), { code: 0, out: `${want}\n`, err: "" });
    },
  });
}

/** The layouts in which two images, or two names of one, share files. */
function sharingArchives(): Record<string, Uint8Array<ArrayBuffer>> {
  const { config, layers, diffIds } = makeImage(WISH);
  const other = new TextDecoder().decode(config).replace("/bin/sh", "/bin/ls");
  const names = diffIds.map((id) => `${id.slice(7)}/layer.tar`);
  const list = [
    { Config: "one.json", RepoTags: ["app:1"], Layers: names },
    { Config: "two.json", RepoTags: ["app:2"], Layers: names },
  ];
  const old = archive([
    ...names.map((name, i): [string, Uint8Array<ArrayBuffer>] => [name, layers[i]]),
    ["one.json", config],
    ["two.json", other],
    ["manifest.json", JSON.stringify(list)],
  ]);
  return { old, oci: ociArchive(WISH, "app:1", "app:2") };
}

test("load finds a file again that two images share, in a stream as in a file", async () => {
  for (const [layout, bytes] of Object.entries(sharingArchives())) {
    const want = "Loaded image: app:1\nLoaded image: app:2\n";
    using file = new ImageBox();
    assertEquals(`${await file.ok("load", "-i", file.file("a.tar", bytes))}\n`, want, layout);
    using pipe = new ImageBox();
    assertEquals(await pipe.feed(bytes, "load"), { code: 0, out: want, err: "" }, layout);
  }
});

test("load makes the same image of every layout", async () => {
  const { id } = makeImage(WISH);
  using old = new ImageBox();
  await old.ok("load", "-i", old.file("a.tar", oldDockerArchive(WISH)));
  const wanted = await trees(old, "app:1");
  assert(wanted.flat().some((line) => line.includes("3000000:4000000 1600000000.123456789")));
  assert(wanted.flat().some((line) => line.includes("security.capability")));
  using oci = new ImageBox();
  const loaded = await oci.ok("load", "-i", oci.file("a.tar", ociArchive(WISH, "app:1")));
  assertEquals(loaded, "Loaded image: app:1");
  assertEquals(await trees(oci, "app:1"), wanted);
  using nameless = new ImageBox();
  const path = nameless.file("a.tar", ociArchive(WISH));
  assertEquals(await nameless.ok("load", "-i", path), `Loaded image ID: ${id}`);
  for (const format of ["docker-archive", "oci-archive"]) {
    using again = new ImageBox();
    const saved = `${again.top}/saved.tar`;
    await old.ok("save", "--format", format, "-o", saved, "app:1", "registry.test/app:2");
    const out = await again.ok("load", "-i", saved);
    assertEquals(out.split("\n").sort(), [
      "Loaded image: app:1",
      "Loaded image: registry.test/app:2",
    ]);
    assertEquals(await trees(again, "app:1"), wanted);
    assertEquals(await again.ok("images", "-q", "--no-trunc"), `${id}\n${id}`);
    assertEquals(again.names("images/blobs/sha256"), old.names("images/blobs/sha256"));
  }
});

test("save writes the same bytes each time, to a file and to a pipe", async () => {
  using box = new ImageBox();
  await box.ok("load", "-i", box.file("a.tar", oldDockerArchive(WISH)));
  await box.ok("save", "-o", `${box.top}/one`, "app:1");
  const { stdout } = await box.start("save", "app:1").output();
  assertEquals(digest(stdout), digest(Deno.readFileSync(`${box.top}/one`)));
  const { code, err } = await box.run("save", "-o", `${box.top}/two`, "nothing");
  assertEquals([code, err], [1, "Error response from daemon: No such image: nothing\n"]);
  assertEquals(Array.from(Deno.readDirSync(box.top), (entry) => entry.name).includes("two"), false);
});

test("skopeo, umoci and podman read what save writes", async () => {
  using box = new ImageBox();
  await box.ok("load", "-i", box.file("a.tar", oldDockerArchive(WISH)));
  const { id } = makeImage(WISH);
  const wanted = await trees(box, "app:1");
  const [dockerTar, ociTar] = [`${box.top}/docker.tar`, `${box.top}/oci.tar`];
  await box.ok("save", "-o", dockerTar, "app:1");
  await box.ok("save", "--format", "oci-archive", "-o", ociTar, "app:1");
  if (hasProgram("skopeo")) {
    for (const source of [`docker-archive:${dockerTar}`, `oci-archive:${ociTar}`]) {
      const inspected = JSON.parse(await peer("skopeo", "inspect", "--config", source));
      assertEquals(inspected.config.Cmd, ["/bin/su"]);
    }
    const store = `oci:${box.root}/images:docker.io/library/app:1`;
    await peer("skopeo", "copy", store, `oci:${box.top}/layout:x`);
  }
  if (hasProgram("umoci") && hasProgram("skopeo")) {
    await peer("umoci", "unpack", "--image", `${box.top}/layout:x`, `${box.top}/bundle`);
    const unpacked = describeTree(`${box.top}/bundle/rootfs`);
    const files = (lines: string[]) =>
      lines.filter((line) => line.startsWith("file") && !/"(?:etc|data)\//.test(line));
    assertEquals(files(unpacked), files(wanted[0]));
    const names = unpacked.map((line) => JSON.parse(line.split(" ")[1]));
    for (const name of ["etc/gone", "data/lower"]) assertEquals(names.includes(name), false);
    for (const name of ["etc/new", "data/upper"]) assert(names.includes(name));
  }
  if (hasProgram("podman")) {
    const podman = ["--root", `${box.top}/podman`, "--runroot", `${box.top}/podman-run`];
    const loaded = await peer("podman", ...podman, "--storage-driver=vfs", "load", "-i", dockerTar);
    assertStringIncludes(loaded, "app:1");
    const ids = await peer(
      "podman",
      ...podman,
      "--storage-driver=vfs",
      "images",
      "-q",
      "--no-trunc",
    );
    assertEquals(ids.trim(), id);
    await peer("podman", ...podman, "--storage-driver=vfs", "rmi", "-af");
  }
});

test("load takes what skopeo writes", async () => {
  if (!hasProgram("skopeo")) return;
  using box = new ImageBox();
  const source = `docker-archive:${box.file("a.tar", oldDockerArchive(WISH))}`;
  await peer(
    "skopeo",
    "copy",
    `${source}:docker.io/library/app:1`,
    `docker-archive:${box.top}/d.tar:s:1`,
  );
  await peer(
    "skopeo",
    "copy",
    `${source}:docker.io/library/app:1`,
    `oci-archive:${box.top}/o.tar:s:2`,
  );
  assertEquals(await box.ok("load", "-i", `${box.top}/d.tar`), "Loaded image: s:1");
  assertEquals(await box.ok("load", "-i", `${box.top}/o.tar`), "Loaded image: s:2");
  assertEquals((await box.ok("images", "-q")).split("\n").length, 2);
});

test("import makes an image with the changes, and of what it cannot read none", async () => {
  using box = new ImageBox();
  const tar = box.file("root.tar", tarOf(["dir bin", "file bin/sh x mode=755"]));
  const id = await box.ok(
    ...["import", "-c", 'CMD ["/bin/sh"]', "-c", "ENV A=1 B='2 3'", "-m", "by hand"],
    tar,
    "mine:1",
  );
  assertMatch(id, /^sha256:[0-9a-f]{64}$/);
  const [image] = JSON.parse(await box.ok("image", "inspect", "mine:1"));
  assertEquals([image.Id, image.Comment], [id, "by hand"]);
  assertEquals([image.Config.Cmd, image.Config.Env], [["/bin/sh"], ["A=1", "B=2 3"]]);
  assertMatch(await box.ok("history", "mine:1"), /^IMAGE .*COMMENT *\n[0-9a-f]{12} .* by hand$/);
  const bad = await box.run("import", "-c", "RUN x", tar);
  assertEquals([bad.code, bad.err], [
    1,
    "Error response from daemon: run is not a valid change command\n",
  ]);
  const missing = await box.run("import", "/nowhere/x.tar");
  assertEquals(missing.code, 1);
  assertStringIncludes(missing.err, "open /nowhere/x.tar: no such file or directory");
  assertEquals((await box.run("import", box.file("text", "x".repeat(2000)))).code, 1);
  assertEquals((await box.ok("images", "-q")).split("\n").length, 1);
});

/** Archives that must not be loaded, and the reason to be given. */
const BROKEN: [name: string, make: () => Uint8Array<ArrayBuffer>, reason: RegExp][] = [
  ["is no archive", () => new TextEncoder().encode("hello ".repeat(500)), /bad checksum/],
  ["is cut", () => oldDockerArchive(WISH).subarray(0, 6000), /unexpected end/],
  ["has no manifest", () => archive([["a", "b"]]), /neither manifest\.json nor index\.json/],
  [
    "has a manifest that is no list",
    () => archive([["manifest.json", "{}"]]),
    /manifest.json: want a list/,
  ],
  ["names a layer that is not there", () => {
    const { config, id } = makeImage(WISH);
    const manifest = [{ Config: "c", RepoTags: null, Layers: ["l1", "l2"] }];
    assert(id.length > 0);
    return archive([["c", config], ["manifest.json", JSON.stringify(manifest)]]);
  }, /it has no "l1"/],
  ["has a layer with other content", () => {
    const { config, layers } = makeImage(WISH);
    const manifest = [{ Config: "c", RepoTags: ["x:1"], Layers: ["l1", "l2"] }];
    return archive([
      ["c", config],
      ["l1", layers[0]],
      ["l2", tarOf(["file other x"])],
      ["manifest.json", JSON.stringify(manifest)],
    ]);
  }, /its content is sha256:/],
  ["has more layers than diff ids", () => {
    const { config, layers } = makeImage(WISH);
    const manifest = [{ Config: "c", RepoTags: ["x:1"], Layers: ["l", "l", "l"] }];
    return archive([["c", config], ["l", layers[0]], ["manifest.json", JSON.stringify(manifest)]]);
  }, /3 layers, but 2 diff ids/],
  ["names a config outside of itself", () => {
    const manifest = [{ Config: "../../../etc/passwd", RepoTags: null, Layers: [] }];
    return archive([["manifest.json", JSON.stringify(manifest)]]);
  }, /leads outside/],
  ["has a file outside of itself", () => archive([["../evil", "x"]]), /leads outside/],
  [
    "has a bad name for the image",
    () => oldDockerArchive({ ...WISH, tags: ["../x:1"] }),
    /invalid/,
  ],
  ["has a blob that is not its digest", () => {
    const good = ociArchive(WISH, "app:1");
    const text = new TextDecoder("latin1").decode(good);
    const at = text.indexOf("blobs/sha256/") + 512;
    // The first blob is the config: one byte of its content, not of its header.
    return concat([good.subarray(0, at + 40), new Uint8Array([0x20]), good.subarray(at + 41)]);
  }, /the archive has sha256:/],
  [
    "has a layer that leads outside",
    () => oldDockerArchive({ tags: ["x:1"], layers: [["file ../../evil x"]] }),
    /leads outside/,
  ],
  [
    "has a layer with a whiteout of ..",
    () => oldDockerArchive({ tags: ["x:1"], layers: [["file a/.wh..."]] }),
    /whiteout of nothing/,
  ],
];

for (const [name, make, reason] of BROKEN) {
  test(`load refuses an archive that ${name}, and keeps nothing of it`, async () => {
    using box = new ImageBox();
    const result = await box.feed(make(), "load");
    assertEquals(result.code, 1, result.err);
    assertMatch(result.err, reason);
    assertEquals(result.err.includes("internal error"), false, result.err);
    assertEquals(await box.ok("images", "-aq"), "");
    assertEquals(box.names("layers").filter((layer) => layer !== "l"), []);
    assertEquals(box.names("tmp"), []);
  });
}

test("load stops a decompression bomb", async () => {
  using box = new ImageBox();
  // 3 GiB of zeros as one file of a layer, 3 MB of gzip.
  const size = 3 * 2 ** 30;
  const head = tarOf([`file zeros`], false);
  head.set(new TextEncoder().encode(`${size.toString(8).padStart(11, "0")}\0`), 124);
  head.fill(0x20, 148, 156);
  const sum = head.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  head.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  box.file("head", head);
  // gzip files one after the other are one: 64 MiB of zeros are made once.
  await peer(
    ...["sh", "-c"] as const,
    `cd ${box.top}; head -c ${2 ** 26} /dev/zero | gzip -1 >z; gzip -c head >layer.gz
     for i in $(seq 48); do cat z >>layer.gz; done; head -c 1024 /dev/zero | gzip >>layer.gz`,
  );
  const layer = new Uint8Array(Deno.readFileSync(`${box.top}/layer.gz`));
  assert(layer.length < 2 ** 24);
  const { config } = makeImage({ layers: [["file zeros"]] });
  const manifest = [{ Config: "c", RepoTags: ["bomb:1"], Layers: ["l.gz"] }];
  const path = box.file(
    "bomb.tar",
    archive([["c", config], ["l.gz", layer], ["manifest.json", JSON.stringify(manifest)]]),
  );
  const { code, err } = await box.run("load", "-i", path);
  assertEquals(code, 1);
  assertMatch(err, /looks like a decompression bomb/);
  assertEquals(box.names("layers").filter((name) => name !== "l"), []);
});

test("load says of which image it takes a name away", async () => {
  using box = new ImageBox();
  for (const [file, content] of [["one", "1"], ["two", "2"]]) {
    const archive = oldDockerArchive({ tags: ["same:1"], layers: [[`file f ${content}`]] });
    box.file(`${file}.tar`, archive);
  }
  assertEquals(await box.ok("load", "-i", `${box.top}/one.tar`), "Loaded image: same:1");
  assertEquals(await box.ok("load", "-i", `${box.top}/one.tar`), "Loaded image: same:1");
  const id = await box.ok("images", "-q", "--no-trunc", "same:1");
  assertEquals(
    await box.ok("load", "-i", `${box.top}/two.tar`),
    `The image same:1 already exists, renaming the old one with ID ${id} to empty string\n` +
      "Loaded image: same:1",
  );
  assertEquals(await box.ok("images", "-q", "--no-trunc", "-f", "dangling=true"), id);
});
