/** The same archive unpacked by Diplodock and by others: the same tree, and again after a trip. */
import { assert, assertEquals } from "@std/assert";
import { ImageBox, peer } from "../lib/image_box.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";
import { makeTree, XATTRS } from "../lib/rich_tree.ts";
import { describeTree } from "../lib/tree.ts";

const needsTar = skipUnless(isRoot() && hasProgram("tar"), "needs root and GNU tar");

/** Ways in which GNU tar writes the tree. */
const FORMATS: [name: string, args: string[], isPax: boolean][] = [
  ["PAX, sparse 1.0", ["--format=posix", "--sparse", "--sparse-version=1.0"], true],
  ["PAX, sparse 0.1", ["--format=posix", "--sparse", "--sparse-version=0.1"], true],
  ["PAX, sparse 0.0", ["--format=posix", "--sparse", "--sparse-version=0.0"], true],
  ["GNU, its own sparse form", ["--format=gnu", "--sparse"], false],
  ["GNU, holes written out", ["--format=gnu"], false],
];

async function upperLayer(box: ImageBox, image: string): Promise<string> {
  return (await box.layers(image)).at(-1)!;
}

for (const [name, args, isPax] of FORMATS) {
  Deno.test({
    name: `import makes of an archive of GNU tar (${name}) what GNU tar makes of it`,
    ...needsTar,
    async fn() {
      using box = new ImageBox();
      for (const directory of ["tree", "gnu"]) Deno.mkdirSync(`${box.top}/${directory}`);
      await makeTree(`${box.top}/tree`);
      const archive = `${box.top}/a.tar`;
      const xattrs = isPax ? XATTRS : [];
      await peer("tar", ...args, ...xattrs, "-C", `${box.top}/tree`, "-cf", archive, ".");
      const extract = [...xattrs, "--numeric-owner", "-xpf", archive];
      await peer("tar", ...extract, "-C", `${box.top}/gnu`);
      await box.ok("import", archive, "all:1");
      const layer = await upperLayer(box, "all:1");
      const wanted = describeTree(`${box.top}/gnu`);
      assertEquals(describeTree(layer), wanted);
      if (isPax) assertEquals(wanted, describeTree(`${box.top}/tree`));
      if (args.includes("--sparse")) {
        for (const file of ["sparse", "many", "hole"]) {
          const { size, blocks } = Deno.statSync(`${layer}/${file}`);
          assert(blocks! * 512 < size / 10, `${file} lost its holes: ${blocks} blocks`);
        }
      }
    },
  });
}

Deno.test({
  name: "a tree is the same after commit, save, load, export and import, and has the same digest",
  ...needsTar,
  async fn() {
    using box = new ImageBox();
    Deno.mkdirSync(`${box.top}/tree`);
    await makeTree(`${box.top}/tree`);
    const pax = ["--format=posix", "--sparse", ...XATTRS];
    await peer("tar", ...pax, "-C", `${box.top}/tree`, "-cf", `${box.top}/a.tar`, ".");
    await box.ok("import", "-c", 'CMD ["x"]', `${box.top}/a.tar`, "all:1");
    const wanted = describeTree(await upperLayer(box, "all:1"));

    await box.ok("save", "-o", `${box.top}/s.tar`, "all:1");
    using other = new ImageBox();
    await other.ok("load", "-i", `${box.top}/s.tar`);
    assertEquals(describeTree(await upperLayer(other, "all:1")), wanted);

    const digests: string[] = [];
    await other.ok("create", "--name", "made", "all:1");
    for (const round of ["one", "two"]) {
      await other.ok("export", "-o", `${box.top}/${round}.tar`, "made");
      await other.ok("import", `${box.top}/${round}.tar`, `${round}:1`);
      assertEquals(describeTree(await upperLayer(other, `${round}:1`)), wanted);
      const [{ RootFS }] = JSON.parse(await other.ok("image", "inspect", `${round}:1`));
      digests.push(RootFS.Layers[0]);
    }
    assertEquals(digests[0], digests[1]);
    await other.ok("rm", "made");
  },
});

Deno.test({
  name: "umoci makes of a saved image the tree that Diplodock made",
  ...skipUnless(isRoot() && hasProgram("tar") && hasProgram("umoci"), "needs root, tar and umoci"),
  async fn() {
    using box = new ImageBox();
    Deno.mkdirSync(`${box.top}/tree`);
    await makeTree(`${box.top}/tree`);
    // umoci knows no sparse files and refuses attributes it calls its own.
    for (const file of ["sparse", "many", "hole"]) Deno.removeSync(`${box.top}/tree/${file}`);
    const pax = ["--format=posix", ...XATTRS];
    await peer("tar", ...pax, "-C", `${box.top}/tree`, "-cf", `${box.top}/a.tar`, ".");
    await box.ok("import", `${box.top}/a.tar`, "all:1");
    const image = `${box.root}/images:docker.io/library/all:1`;
    await peer("umoci", "unpack", "--image", image, `${box.top}/bundle`);
    const found = describeTree(`${box.top}/bundle/rootfs`);
    assertEquals(found, describeTree(await upperLayer(box, "all:1")));
  },
});
