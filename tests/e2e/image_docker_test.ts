/** The same archives in docker and in Diplodock: what one saves the other unpacks to the same tree. */
import { assertEquals } from "@std/assert";
import { ImageBox, oldDockerArchive, peer } from "../lib/image_box.ts";
import { type Peer, startDocker } from "../lib/peer_engines.ts";
import { makeTree, XATTRS } from "../lib/rich_tree.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";
import { describeTree } from "../lib/tree.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";

const missing = ["docker", "dockerd", "containerd", "runc", "iptables", "busybox", "tar"]
  .filter((program) => !hasProgram(program));
enterTestNetwork();

/** The tree that docker's vfs driver made of an image: all its layers merged. */
async function dockerTree(docker: Peer, image: string, chainId: string): Promise<string> {
  const data = `${docker.place.top}/data`;
  await docker.ok("image", "inspect", image);
  const [algorithm, hex] = chainId.split(":");
  const path = `${data}/image/vfs/layerdb/${algorithm}/${hex}/cache-id`;
  return `${data}/vfs/dir/${Deno.readTextFileSync(path)}`;
}

/** The name of an image's topmost layer with all below. */
async function chainId(box: ImageBox, image: string): Promise<string> {
  const top = (await box.layers(image)).at(-1)!;
  return `sha256:${top.split("/").at(-2)}`;
}

/** Layers that hide, replace and undo what is below them. */
const LAYERS = [
  ["dir a", "file a/gone 1", "file a/kept 2", "dir b", "file b/hidden 1", "file c 1", "dir d"],
  ["file a/.wh.gone", "dir b mode=0700", "file b/.wh..wh..opq", "file b/new 3 uid=7 gid=8"],
  [
    "file .wh.c",
    "dir c",
    "file c/inside 4 mode=04755",
    "file .wh.d",
    "symlink d a",
    "file a/gone 5",
  ],
];

Deno.test({
  name: "docker and Diplodock make the same trees of each other's archives",
  ...skipUnless(isRoot() && missing.length === 0, `docker: needs root, ${missing.join(", ")}`),
  async fn(t) {
    await using docker = await startDocker("runc");
    using box = new ImageBox();

    await t.step("docker unpacks a rich tree as Diplodock did", async () => {
      Deno.mkdirSync(`${box.top}/tree`);
      await makeTree(`${box.top}/tree`);
      // Of a time before 1970 docker makes 1970, and then no longer knows the layer as its own.
      Deno.removeSync(`${box.top}/tree/dir/old`);
      const archive = `${box.top}/a.tar`;
      const pax = ["--format=posix", "--sparse", ...XATTRS];
      await peer("tar", ...pax, "-C", `${box.top}/tree`, "-cf", archive, ".");
      await box.ok("import", archive, "rich:1");
      await box.ok("save", "-o", `${box.top}/s.tar`, "rich:1");
      assertEquals(await docker.ok("load", "-i", `${box.top}/s.tar`), "Loaded image: rich:1");
      const theirs = await dockerTree(docker, "rich:1", await chainId(box, "rich:1"));
      assertEquals(describeTree((await box.layers("rich:1"))[0]), describeTree(theirs));
    });

    await t.step("whiteouts hide the same", async () => {
      const archive = box.file(
        "layers.tar",
        oldDockerArchive({ tags: ["layers:1"], layers: LAYERS }),
      );
      await box.ok("load", "-i", archive);
      await docker.ok("load", "-i", archive);
      const mounted = await box.ok("image", "mount", "layers:1");
      try {
        const theirs = await dockerTree(docker, "layers:1", await chainId(box, "layers:1"));
        // Docker's vfs gives a directory a new time when something in it changes.
        const options = { withoutDirectoryTimes: true };
        assertEquals(describeTree(mounted, options), describeTree(theirs, options));
      } finally {
        await box.ok("image", "unmount", "layers:1");
      }
    });

    await t.step("Diplodock loads what docker saves, with the same ids and trees", async () => {
      // Files with holes docker unpacks, but it can't save them again.
      for (const name of ["sparse", "many", "hole"]) Deno.removeSync(`${box.top}/tree/${name}`);
      const archive = `${box.top}/b.tar`;
      const pax = ["--format=posix", ...XATTRS];
      await peer("tar", ...pax, "-C", `${box.top}/tree`, "-cf", archive, ".");
      await box.ok("import", archive, "rich:2");
      await box.ok("save", "-o", `${box.top}/s.tar`, "rich:2");
      await docker.ok("load", "-i", `${box.top}/s.tar`);
      await docker.ok("save", "-o", `${box.top}/d.tar`, "rich:2", "layers:1");
      using other = new ImageBox();
      await other.ok("load", "-i", `${box.top}/d.tar`);
      for (const name of ["rich:2", "layers:1"]) {
        const idOf = (one: ImageBox) => one.ok("image", "inspect", "-f", "{{.Id}}", name);
        assertEquals(await idOf(other), await idOf(box));
        const [trees, layers] = [await other.layers(name), await box.layers(name)];
        assertEquals(
          trees.map((tree) => describeTree(tree)),
          layers.map((one) => describeTree(one)),
        );
      }
    });
  },
});
