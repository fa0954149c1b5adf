/**
 * An image whose record, manifest or entry in the list is lost or damaged: what needs it says which
 * file it is, the others can be used, loading mends it, and `rmi` gets rid of it.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Engine } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());
const images = `${engine.root}/images`;

interface Entry {
  digest: string;
  annotations: Record<string, string>;
}

function entryOf(name: string): Entry {
  const { manifests } = JSON.parse(Deno.readTextFileSync(`${images}/index.json`));
  return manifests.find(({ annotations }: Entry) => JSON.stringify(annotations).includes(name));
}
const hex = (digest: string) => digest.slice("sha256:".length);
const record = () =>
  `${images}/records/${hex(entryOf("/bb:").annotations["dev.diplodock.image.id"])}.json`;
const manifest = () => `${images}/blobs/sha256/${hex(entryOf("/bb:").digest)}`;

const empty = (path: string) => Deno.truncateSync(path, 0);
const cut = (path: string) => Deno.truncateSync(path, Math.floor(Deno.statSync(path).size / 2));
const strange = (path: string) => Deno.writeTextFileSync(path, `{"records":[7]}`);
const gone = (path: string) => Deno.removeSync(path);

/** What is damaged, and whether a container can be made of the image nevertheless. */
const DAMAGES: [name: string, path: () => string, damage: (path: string) => void, runs: boolean][] =
  [
    ["an empty record", record, empty, false],
    ["a record that is cut short", record, cut, false],
    ["a record of another kind", record, strange, false],
    ["no record", record, gone, false],
    ["an empty manifest", manifest, empty, true],
    ["a manifest that is cut short", manifest, cut, true],
    ["no manifest", manifest, gone, true],
  ];
const RUN = ["run", "--rm", "--pull", "never", "--network", "none"];

async function runs(image: string): Promise<void> {
  assertEquals(await engine.ok(...RUN, image, "/bin/echo", "ran"), "ran");
}

for (const [name, path, damage, stillRuns] of DAMAGES) {
  Deno.test({
    name: `an image with ${name} is named, mended by load, and removed by rmi`,
    ...skipUnless(isRoot(), "needs root"),
    fn: async () => {
      const tar = engine.path("bb.tar"), saved = engine.path("saved.tar");
      const root = engine.path("root");
      if (!(await Deno.stat(root).then(() => true, () => false))) engine.rootfs("root");
      await new Deno.Command("tar", { args: ["-C", root, "-cf", tar, "."] }).output();
      for (const image of ["bb", "other"]) await engine.ok("import", "-m", image, tar, image);
      await engine.ok("save", "-o", saved, "bb");
      const damaged = path();
      const id = await engine.background("--pull", "never", "bb", "/bin/sleep", "1000");
      damage(damaged);
      if (stillRuns) await runs("bb");
      for (const words of stillRuns ? [] : [[...RUN, "bb", "true"], ["image", "inspect", "bb"]]) {
        const { code, stderr } = await engine.dd(...words);
        assert(code !== 0, words.join(" "));
        assertStringIncludes(stderr, damaged);
      }
      const save = await engine.dd("save", "-o", engine.path("x.tar"), "bb");
      assertStringIncludes(save.stderr, damaged);
      await runs("other");
      assertStringIncludes(await engine.ok("images"), "other");
      await engine.ok("system", "df");
      await engine.ok("tag", "other", "third");
      await engine.ok("rmi", "third");
      await engine.ok("image", "prune", "-f");
      assertEquals(await engine.ok("exec", id, "/bin/echo", "alive"), "alive");
      await engine.ok("load", "-i", saved);
      await runs("bb");
      await engine.ok("save", "-o", engine.path("x.tar"), "bb");
      await engine.ok("rm", "-f", id);
      damage(path());
      await engine.ok("rmi", "-f", "bb");
      assertEquals(await engine.ok("images", "-q", "bb"), "");
      await engine.ok("load", "-i", saved);
      await runs("bb");
      await engine.ok("rmi", "bb", "other");
    },
  });
}
