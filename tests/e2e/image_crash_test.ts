/** kill -9 at random moments: the store stays valid, the next try goes on, garbage goes. */
import { assert, assertEquals } from "@std/assert";
import { digest, ImageBox, oldDockerArchive, peer } from "../lib/image_box.ts";
import { seeded } from "../lib/random.ts";
import { canServe, Registry } from "../lib/registry.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";
import { describeTree } from "../lib/tree.ts";

const OPTIONS = skipUnless(isRoot() && canServe(), "needs root, docker-registry and openssl");
const KILLS = 200;

/** Lets the marks of what is not flushed be of another boot. */
function ageMarks(box: ImageBox): void {
  const folder = `${box.root}/images/unsynced`;
  for (const name of box.names("images/unsynced")) {
    Deno.renameSync(`${folder}/${name}`, `${folder}/before.${name.split(".")[1]}`);
  }
}

/** Layers with enough files that there is time to be killed in. */
function layers(random: () => number): string[][] {
  const noise = () =>
    Array.from({ length: 2000 }, () => Math.floor(random() * 36 ** 6).toString(36));
  return [0, 1, 2].map((layer) => [
    `dir layer${layer}`,
    ...Array.from({ length: 120 }, (_, i) => `file layer${layer}/f${i} ${noise().join(" ")}`),
  ]);
}

interface Descriptor {
  digest: string;
  size: number;
  annotations?: Record<string, string>;
}

/** Everything the index names is there and is what it is called; no layer is half unpacked. */
function checkStore(box: ImageBox, trees: Map<string, string>): void {
  const images = `${box.root}/images`;
  const blob = (part: Descriptor) => {
    const bytes = Deno.readFileSync(`${images}/blobs/${part.digest.replace(":", "/")}`);
    assertEquals(bytes.length, part.size);
    assertEquals(digest(bytes), part.digest);
    return bytes;
  };
  const parse = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes));
  for (const name of namesIn(`${images}/blobs/sha256`)) {
    assertEquals(digest(Deno.readFileSync(`${images}/blobs/sha256/${name}`)), `sha256:${name}`);
  }
  for (const name of namesIn(`${box.root}/layers`)) {
    if (name === "l") continue;
    const tree = describeTree(`${box.root}/layers/${name}/fs`).join("\n");
    assertEquals(trees.get(name) ?? tree, tree, `layer ${name} is not whole`);
    if (Deno.statSync(`${box.root}/layers/${name}/layer.json`).size > 0) trees.set(name, tree);
  }
  const index = namesIn(images).includes("index.json")
    ? JSON.parse(Deno.readTextFileSync(`${images}/index.json`))
    : { manifests: [] };
  for (const entry of index.manifests as Descriptor[]) {
    const manifest = parse(blob(entry));
    blob(manifest.config);
    manifest.layers.forEach(blob);
    const id = entry.annotations!["dev.diplodock.image.id"].slice(7);
    const record = JSON.parse(Deno.readTextFileSync(`${images}/records/${id}.json`));
    for (const chain of record.chain) assert(trees.has(chain.slice(7)), "a layer is missing");
  }
}

function namesIn(directory: string): string[] {
  try {
    return Array.from(Deno.readDirSync(directory), (entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Runs a command and kills it after so many milliseconds; how long it took if it ended before. */
async function runAndKill(
  box: ImageBox,
  args: string[],
  afterMs: number,
): Promise<number | undefined> {
  const start = performance.now();
  const child = box.start(...args);
  let killed = false;
  const timer = setTimeout(() => {
    try {
      child.kill("SIGKILL");
      killed = true;
    } catch (error) {
      // It ended by itself in this very moment.
      if (!(error instanceof TypeError)) throw error;
    }
  }, afterMs);
  const { code, stderr } = await child.output();
  clearTimeout(timer);
  if (code !== 137) assertEquals(code, 0, new TextDecoder().decode(stderr));
  return killed && code === 137 ? undefined : performance.now() - start;
}

/** How long a command takes undisturbed, in ms. */
async function duration(make: () => ImageBox, args: (box: ImageBox) => string[]): Promise<number> {
  using box = make();
  const start = performance.now();
  await box.ok(...args(box));
  return performance.now() - start;
}

async function killMany(
  kills: number,
  args: (box: ImageBox) => string[],
  afterwards: (box: ImageBox) => Promise<void>,
): Promise<void> {
  const random = seeded(kills);
  let whole = await duration(() => new ImageBox(), args);
  let killed = 0;
  // The moments are spread over the whole run; each store takes several kills in a row.
  for (let round = 0; round < kills;) {
    using box = new ImageBox();
    const trees = new Map<string, string>();
    for (let i = 0; i < 5 && round < kills; i++, round++) {
      const ended = await runAndKill(box, args(box), whole * (0.1 + random() * 0.95));
      // One that was faster says that the machine was busy when the first was measured.
      if (ended === undefined) killed++;
      else whole = Math.min(whole, ended);
      checkStore(box, trees);
    }
    await box.ok(...args(box));
    checkStore(box, trees);
    assertEquals(namesIn(`${box.root}/tmp`), [], "orphans were left");
    if (round % 20 === 0) await afterwards(box);
  }
  assert(killed > kills / 3, `only ${killed} of ${kills} were killed in time`);
}

Deno.test({
  name: `pull killed at ${KILLS / 2} random moments goes on and leaves a valid store`,
  ...OPTIONS,
  async fn() {
    await using registry = await Registry.start();
    const name = `${registry.host}/big:1`;
    {
      using sender = new ImageBox();
      const wish = { tags: [name], layers: layers(seeded(1)) };
      await sender.ok("load", "-i", sender.file("a.tar", oldDockerArchive(wish)));
      await sender.ok("push", name);
    }
    await killMany(KILLS / 2, () => ["pull", "-q", name], async (box) => {
      assertEquals(namesIn(`${box.root}/images/parts`), []);
      if (!hasProgram("skopeo")) return;
      await peer("skopeo", "inspect", `oci:${box.root}/images:${name}`);
    });
  },
});

Deno.test({
  name: `load killed at ${KILLS / 2} random moments leaves a valid store, and rmi an empty one`,
  ...OPTIONS,
  async fn() {
    const bytes = oldDockerArchive({ tags: ["big:1"], layers: layers(seeded(2)) });
    const path = Deno.makeTempFileSync();
    try {
      Deno.writeFileSync(path, bytes);
      await killMany(KILLS / 2, () => ["load", "-i", path], async (box) => {
        if (hasProgram("skopeo")) {
          await peer("skopeo", "inspect", `oci:${box.root}/images:docker.io/library/big:1`);
        }
        await box.ok("rmi", "big:1");
        assertEquals(namesIn(`${box.root}/images/blobs/sha256`), []);
        assertEquals(namesIn(`${box.root}/layers`), ["l"]);
        assertEquals(namesIn(`${box.root}/layers/l`), []);
        assertEquals(namesIn(`${box.root}/images/records`), []);
      });
    } finally {
      Deno.removeSync(path);
    }
  },
});

Deno.test({
  name: "what an earlier boot left unflushed is hashed and unpacked again",
  ...OPTIONS,
  async fn() {
    using box = new ImageBox();
    const wish = { tags: ["a:1"], layers: [["file a hello"], ["file b hello"]] };
    const path = box.file("a.tar", oldDockerArchive(wish));
    await box.ok("load", "-i", path);
    const other = { tags: ["b:1"], layers: [["file a hello"], ["file c hello"]] };
    await box.ok("load", "-i", box.file("b.tar", oldDockerArchive(other)));
    const [lower, upper] = await box.layers("a:1");
    const trees = describeTree(lower);
    // As if the power had failed: marks of another boot, one layer and one blob torn.
    ageMarks(box);
    Deno.truncateSync(`${lower}/a`, 0);
    const blobs = box.names("images/blobs/sha256").map((name) =>
      `${box.root}/images/blobs/sha256/${name}`
    );
    const torn = blobs.find((blob) =>
      new TextDecoder().decode(Deno.readFileSync(blob)).startsWith("c\0")
    )!;
    Deno.truncateSync(torn, 0);
    await box.ok("load", "-i", path);
    assertEquals(describeTree(lower), trees);
    assertEquals(Deno.readTextFileSync(`${upper}/b`), "hello");
    assertEquals(await box.ok("images", "--format", "{{.Repository}}"), "a");
    assertEquals(box.names("images/unsynced").some((name) => name.startsWith("before")), false);
  },
});

Deno.test({
  name: "a record that an earlier boot left torn is derived again",
  ...OPTIONS,
  async fn() {
    using box = new ImageBox();
    const one = { tags: ["a:1"], layers: [["file a hello"]] };
    await box.ok("load", "-i", box.file("a.tar", oldDockerArchive(one)));
    const before = await box.ok("image", "inspect", "a:1");
    // As if the power had failed: marks of another boot, and a record of which a part was written.
    ageMarks(box);
    const [record] = box.names("images/records");
    Deno.truncateSync(`${box.root}/images/records/${record}`, 100);
    const other = { tags: ["b:1"], layers: [["file b hello"]] };
    await box.ok("load", "-i", box.file("b.tar", oldDockerArchive(other)));
    const withoutTime = (text: string) => text.replace(/"LastTagTime": "[^"]*"/, "");
    assertEquals(withoutTime(await box.ok("image", "inspect", "a:1")), withoutTime(before));
  },
});
