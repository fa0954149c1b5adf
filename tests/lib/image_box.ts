/** A Diplodock with its own empty store, and images to put into it. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { concat, tarOf } from "./tree.ts";
import { endMark, entryHeader, padding, plainEntry } from "../../src/image/tar_writer.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const PROGRAM = Deno.env.get("DIPLODOCK_BIN") ?? "dist/diplodock";

/** What a command did. */
export interface Result {
  code: number;
  out: string;
  err: string;
}

/** Runs commands on a store that goes away at the end. */
export class ImageBox implements Disposable {
  readonly top = Deno.makeTempDirSync({ prefix: "diplodock-images-" });
  readonly root = `${this.top}/root`;
  readonly env = {
    DIPLODOCK_ROOT: this.root,
    DIPLODOCK_RUN: `${this.top}/run`,
    DOCKER_CONFIG: `${this.top}/docker`,
  };

  /** A command that is not waited for. */
  start(...args: string[]): Deno.ChildProcess {
    return new Deno.Command(PROGRAM, {
      args,
      env: this.env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  async run(...args: string[]): Promise<Result> {
    return await this.feed(new Uint8Array(0), ...args);
  }

  /** Runs a command with bytes on its stdin. */
  async feed(stdin: Uint8Array, ...args: string[]): Promise<Result> {
    const child = new Deno.Command(PROGRAM, {
      args,
      env: this.env,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    const write = writer.write(stdin).then(() => writer.close()).catch(() => {});
    const { code, stdout, stderr } = await child.output();
    await write;
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
  }

  /** Runs a command that must succeed; its stdout without the last line break. */
  async ok(...args: string[]): Promise<string> {
    const { code, out, err } = await this.run(...args);
    if (code !== 0) throw new Error(`diplodock ${args.join(" ")}: exit code ${code}\n${err}`);
    return out.replace(/\n$/, "");
  }

  /** Writes a file; its path. */
  file(name: string, content: Bytes | string): string {
    const path = `${this.top}/${name}`;
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.writeFileSync(path, content);
    return path;
  }

  /** What lies under a directory of the store, names only. */
  names(directory: string): string[] {
    return Array.from(Deno.readDirSync(`${this.root}/${directory}`), (entry) => entry.name).sort();
  }

  /** The unpacked layers of an image, lowest first. */
  async layers(image: string): Promise<string[]> {
    const [{ GraphDriver: { Data } }] = JSON.parse(await this.ok("image", "inspect", image));
    const lower = Data.LowerDir?.split(":").toReversed() ?? [];
    return [...lower, Data.UpperDir];
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.top, { recursive: true });
  }
}

/** Runs another program that must succeed; its stdout. */
export async function peer(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" })
    .output();
  const decoder = new TextDecoder();
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** "sha256:…" of bytes. */
export function digest(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Files as an archive. */
export function archive(files: readonly [name: string, content: Bytes | string][]): Bytes {
  const parts = files.flatMap(([name, content]) => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    const head = entryHeader(plainEntry(name, "file", bytes.length, 0o644), bytes.length);
    return [head, bytes, padding(bytes.length)];
  });
  return concat([...parts, endMark()]);
}

/** An image to be made: each layer is a list of tree lines. */
export interface Wish {
  tags?: string[] | null;
  layers: readonly (readonly string[])[];
  config?: Record<string, unknown>;
  created?: string;
}

/** The parts of an image. */
export interface Made {
  id: string;
  config: Bytes;
  /** Uncompressed archives. */
  layers: Bytes[];
  diffIds: string[];
}

/** Makes config and layers. */
export function makeImage(wish: Wish): Made {
  const layers = wish.layers.map((lines) => tarOf(lines));
  const diffIds = layers.map(digest);
  const config = new TextEncoder().encode(JSON.stringify({
    created: wish.created ?? "2024-01-02T03:04:05Z",
    architecture: Deno.build.arch === "x86_64" ? "amd64" : "arm64",
    os: "linux",
    config: wish.config ?? { Cmd: ["/bin/sh"] },
    rootfs: { type: "layers", diff_ids: diffIds },
    history: layers.map((_, i) => ({ created: "2024-01-02T03:04:05Z", created_by: `step ${i}` })),
  }));
  return { id: digest(config), config, layers, diffIds };
}

/** The layout of `docker save` before version 25. */
export function oldDockerArchive(wish: Wish): Bytes {
  const image = makeImage(wish);
  const names = image.diffIds.map((id) => `${id.slice(7)}/layer.tar`);
  const manifest = [{
    Config: `${image.id.slice(7)}.json`,
    RepoTags: wish.tags ?? null,
    Layers: names,
  }];
  return archive([
    ...names.map((name, i) => [name, image.layers[i]] as [string, Bytes]),
    [`${image.id.slice(7)}.json`, image.config],
    ["manifest.json", JSON.stringify(manifest)],
  ]);
}

/** An OCI layout as an archive; gzipped layers. Its index has an entry for each name. */
export function ociArchive(wish: Wish, ...names: readonly string[]): Bytes {
  const image = makeImage(wish);
  const layers = image.layers.map((layer) => new Uint8Array(gzipSync(layer)));
  const describe = (mediaType: string, bytes: Bytes) => ({
    mediaType: `application/vnd.oci.image.${mediaType}`,
    digest: digest(bytes),
    size: bytes.length,
  });
  const manifest = new TextEncoder().encode(JSON.stringify({
    schemaVersion: 2,
    config: describe("config.v1+json", image.config),
    layers: layers.map((layer) => describe("layer.v1.tar+gzip", layer)),
  }));
  const entry = describe("manifest.v1+json", manifest);
  const named = names.map((name) => ({
    ...entry,
    annotations: { "org.opencontainers.image.ref.name": name },
  }));
  const index = { schemaVersion: 2, manifests: named.length > 0 ? named : [entry] };
  return archive([
    ["oci-layout", '{"imageLayoutVersion":"1.0.0"}'],
    ["index.json", JSON.stringify(index)],
    ...[image.config, manifest, ...layers].map((bytes) =>
      [`blobs/${digest(bytes).replace(":", "/")}`, bytes] as [string, Bytes]
    ),
  ]);
}
