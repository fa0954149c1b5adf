/** What the cases work on, made here: a small image, a 200 MB image, a bundle for runc. */
import { type Engine, output } from "./engines.ts";

/** The small image's name in every engine. */
export const SMALL_IMAGE = "bench-small:latest";

/** The large image's name: 200 MB in 6,000 files. */
export const LARGE_IMAGE = "bench-large:latest";

const LARGE_FILES = 6_000;
const LARGE_BYTES = 204_000_000;

/** Paths of the things made, all below the work folder. */
export interface Materials {
  readonly work: string;
  /** Root file system of the small image as a tar. */
  readonly smallTar: string;
  /** The large image as `docker save` would write it. */
  readonly largeArchive: string;
  /** The large image's only layer. */
  readonly largeLayer: string;
  /** An OCI bundle that runs /bin/true without network. */
  readonly bundle: string;
}

const APPLETS = ["sh", "true", "echo", "sleep", "cat", "yes", "head", "touch", "dd", "httpd"];

async function smallRoot(folder: string): Promise<void> {
  for (const name of ["bin", "dev", "etc", "proc", "sys", "tmp"]) {
    await Deno.mkdir(`${folder}/${name}`, { recursive: true });
  }
  await Deno.copyFile("/bin/busybox", `${folder}/bin/busybox`);
  for (const applet of APPLETS) await Deno.symlink("busybox", `${folder}/bin/${applet}`);
  await Deno.writeTextFile(`${folder}/etc/passwd`, "root:x:0:0:root:/:/bin/sh\n");
}

/** Files of many sizes; a third of each is random, so it compresses to about a half. */
async function largeRoot(folder: string): Promise<void> {
  await smallRoot(folder);
  const words = new TextEncoder().encode(
    "the quick brown fox jumps over the lazy dog; ".repeat(3000),
  );
  const random = new Uint8Array(65536);
  crypto.getRandomValues(random);
  let written = 0;
  for (let index = 0; index < LARGE_FILES; index++) {
    const sub = `${folder}/data/${index % 100}`;
    if (index < 100) await Deno.mkdir(sub, { recursive: true });
    const fair = (LARGE_BYTES - written) / (LARGE_FILES - index);
    const size = Math.round(fair * [0.1, 0.2, 0.3, 0.4, 4][index % 5]);
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at += words.length) {
      bytes.set(words.subarray(0, Math.min(words.length, size - at)), at);
    }
    for (let at = 0; at < size; at += 196608) {
      const part = random.subarray(index % 512, Math.min(65536, index % 512 + size - at));
      bytes.set(part.subarray(0, Math.ceil(Math.min(part.length, (size - at) / 3))), at);
    }
    await Deno.writeFile(`${sub}/file${index}`, bytes);
    written += size;
  }
}

async function tarOf(folder: string, file: string, ...names: string[]): Promise<void> {
  const plain = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@1700000000"];
  await output(["tar", "-C", folder, ...plain, "-cf", file, ...names]);
}

async function sha256(file: string): Promise<string> {
  return (await output(["sha256sum", file])).split(" ")[0];
}

/** One layer, one config, one manifest: what every engine's `load` reads. */
async function archive(work: string, layer: string, file: string): Promise<void> {
  const folder = `${work}/archive`;
  await Deno.mkdir(folder);
  await Deno.rename(layer, `${folder}/layer.tar`);
  const config = {
    architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
    os: "linux",
    config: { Cmd: ["/bin/sh"], Env: ["PATH=/bin"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${await sha256(`${folder}/layer.tar`)}`] },
    history: [{ created: "2024-01-01T00:00:00Z", created_by: "bench" }],
  };
  await Deno.writeTextFile(`${folder}/config`, JSON.stringify(config));
  const digest = await sha256(`${folder}/config`);
  await Deno.rename(`${folder}/config`, `${folder}/${digest}.json`);
  const manifest = [{ Config: `${digest}.json`, RepoTags: [LARGE_IMAGE], Layers: ["layer.tar"] }];
  await Deno.writeTextFile(`${folder}/manifest.json`, JSON.stringify(manifest));
  await tarOf(folder, file, "layer.tar", `${digest}.json`, "manifest.json");
  await Deno.rename(`${folder}/layer.tar`, layer);
  await Deno.remove(folder, { recursive: true });
}

/** runc's own default bundle with the small root, running /bin/true; no network but lo. */
async function bundle(folder: string): Promise<void> {
  await smallRoot(`${folder}/rootfs`);
  await output(["sh", "-c", 'cd "$0" && runc spec', folder]);
  const spec = JSON.parse(await Deno.readTextFile(`${folder}/config.json`));
  spec.process.terminal = false;
  spec.process.args = ["/bin/true"];
  spec.process.rlimits = [];
  await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify(spec));
}

/** Makes everything; `large` only when a case needs it, as it takes some seconds. */
export async function makeMaterials(work: string, large: boolean): Promise<Materials> {
  const made: Materials = {
    work,
    smallTar: `${work}/small.tar`,
    largeArchive: `${work}/large.tar`,
    largeLayer: `${work}/large-layer.tar`,
    bundle: `${work}/bundle`,
  };
  await smallRoot(`${work}/small`);
  await tarOf(`${work}/small`, made.smallTar, ".");
  await bundle(made.bundle).catch(() => {}); // without runc there is no bundle, and no case of its
  if (large) {
    await largeRoot(`${work}/large`);
    await tarOf(`${work}/large`, made.largeLayer, ".");
    await Deno.remove(`${work}/large`, { recursive: true });
    await archive(work, made.largeLayer, made.largeArchive);
  }
  return made;
}

/** Puts the small image into an engine. */
export async function importSmall(engine: Engine, made: Materials): Promise<void> {
  if (engine.name === "runc" || engine.name === "tar") return;
  await output([...engine.argv, "import", made.smallTar, SMALL_IMAGE], engine.env);
}
