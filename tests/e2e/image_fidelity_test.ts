/** The same archive unpacked by Diplodock and by others: the same tree, and again after a trip. */
import { assert, assertEquals } from "@std/assert";
import { cBytes } from "../../src/image/byte_string.ts";
import { sys } from "../../ffi/libc.ts";
import { ImageBox, peer } from "../lib/image_box.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";
import { describeTree } from "../lib/tree.ts";

const needsTar = skipUnless(isRoot() && hasProgram("tar"), "needs root and GNU tar");

/** Makes a tree with everything a file system of ours can hold, by the tools of the system. */
async function makeTree(root: string): Promise<void> {
  await peer("sh", "-ec", SCRIPT, root);
  const bytes = new Uint8Array([1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  const attributes: [path: string, name: string, value: Uint8Array<ArrayBuffer>][] = [
    ["bin/cap", "security.capability", bytes],
    ["bin/cap", "user.note", cBytes("ünï\n=x")],
    ["dir", "user.on.directory", new Uint8Array(3000).fill(7)],
    ["dir", "trusted.kept", cBytes("t")],
  ];
  for (const [path, name, value] of attributes) {
    const result = sys(
      "lsetxattr",
      cBytes(`${root}/${path}`),
      cBytes(name),
      value,
      value.length,
      0,
    );
    assertEquals(result, 0, `${name} of ${path}`);
  }
}

const SCRIPT = `
cd "$0"
umask 022
mkdir -p bin dir/sub dir/closed empty tmp "$(printf 'd\\377ir')"
echo binary >bin/su; chmod 4755 bin/su
echo x >bin/cap
ln bin/su bin/hard; ln bin/su dir/hard2
echo text >dir/file; chown 3000000:4000000 dir/file; touch -d @1600000000.123456789 dir/file
echo old >dir/old; touch -d @-86400.5 dir/old
echo late >dir/late; touch -d @4102444800 dir/late
ln -s ../bin/su dir/link; chown -h 5:6 dir/link; touch -h -d @1500000000.000000001 dir/link
ln -s /nowhere/at/all dangling
ln -s "$(printf 't%.0s' $(seq 1 300))" longlink
mknod dir/null c 1 3; mknod dir/sda b 8 0; mknod dir/big c 300 70000; mkfifo dir/pipe
chmod 666 dir/null
echo x >"$(printf 'n\\377\\376me')"; echo y >'ünïcödé 名前'; echo z >'with
newline'
long=$(printf 'n%.0s' $(seq 1 250))
deep=dir/sub; for i in 1 2 3 4 5 6; do deep=$deep/$long; mkdir "$deep"; done; echo deep >"$deep/$long"
truncate -s 40M sparse; printf start | dd of=sparse conv=notrunc status=none
printf middle | dd of=sparse bs=1 seek=10000000 conv=notrunc status=none
for i in $(seq 1 60); do printf piece | dd of=many bs=1 seek=$((i * 300000)) conv=notrunc status=none; done
truncate -s 5M hole
: >emptyfile
chmod 1777 tmp; chmod 2775 dir; chmod 0 dir/closed; echo in >dir/closed/inside
touch -d @1650000000.25 dir empty
`;

/** Ways in which GNU tar writes the tree. */
const FORMATS: [name: string, args: string[], isPax: boolean][] = [
  ["PAX, sparse 1.0", ["--format=posix", "--sparse", "--sparse-version=1.0"], true],
  ["PAX, sparse 0.1", ["--format=posix", "--sparse", "--sparse-version=0.1"], true],
  ["PAX, sparse 0.0", ["--format=posix", "--sparse", "--sparse-version=0.0"], true],
  ["GNU, its own sparse form", ["--format=gnu", "--sparse"], false],
  ["GNU, holes written out", ["--format=gnu"], false],
];

const XATTRS = ["--xattrs", "--xattrs-include=*"];

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
