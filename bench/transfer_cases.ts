/** Cases that move bytes: pull from a registry, extract a layer, read from a published port. */
import type { Case } from "./cases.ts";
import { type Engine, output } from "./engines.ts";
import { LARGE_IMAGE, type Materials, SMALL_IMAGE } from "./materials.ts";
import { timeCall } from "./measure.ts";

const REGISTRY = "127.0.0.1:5000";
const PUBLISHED_MEGABYTES = 300;

let registry: Deno.ChildProcess | undefined;

/** Starts Debian's docker-registry and pushes the large image, at the first use. */
async function startRegistry(made: Materials): Promise<void> {
  if (registry !== undefined) return;
  const config = {
    version: "0.1",
    storage: { filesystem: { rootdirectory: `${made.work}/registry` } },
    http: { addr: REGISTRY },
  };
  await Deno.writeTextFile(`${made.work}/registry.yml`, JSON.stringify(config));
  registry = new Deno.Command("docker-registry", {
    args: ["serve", `${made.work}/registry.yml`],
    stdout: "null",
    stderr: "null",
  }).spawn();
  const target = `docker://${REGISTRY}/${LARGE_IMAGE}`;
  const copy = [
    "skopeo",
    "--insecure-policy",
    "copy",
    "--dest-tls-verify=false",
    "--retry-times=5",
  ];
  await output([...copy, `docker-archive:${made.largeArchive}`, target]);
}

/** Ends what the cases of this file started. */
export async function stopTransfers(): Promise<void> {
  registry?.kill("SIGTERM");
  await registry?.status;
  registry = undefined;
}

const PULL: Case = {
  name: "pull the 204 MB image from a registry on loopback",
  unit: "ms",
  goals: { podman: 0.35 },
  runs: 3,
  needsLarge: true,
  engines: ["diplodock", "docker", "podman"],
  prepare: async (engine, made) => {
    await startRegistry(made);
    const image = `${REGISTRY}/${LARGE_IMAGE}`;
    const insecure = engine.name === "podman" ? ["--tls-verify=false"] : [];
    const remove = async () => {
      for (const name of [image, LARGE_IMAGE]) {
        await output([...engine.argv, "rmi", "-f", name], engine.env).catch(() => "");
      }
    };
    return {
      sample: async () => {
        await remove();
        const argv = [...engine.argv, "pull", "-q", ...insecure, image];
        return await timeCall({ argv, env: engine.env });
      },
      end: remove,
    };
  },
};

/** The unpacker alone, without the start of a process: the layer's blob and hash cost beside it. */
const EXTRACT: Case = {
  name: "extract a 204 MB layer",
  unit: "ms",
  goals: { tar: 1.5 },
  runs: 5,
  needsLarge: true,
  engines: ["diplodock", "tar"],
  prepare: (engine, made) => {
    const folder = `${made.work}/extracted`;
    const unpack = new URL("unpack_layer.ts", import.meta.url).pathname;
    return Promise.resolve({
      sample: async () => {
        await Deno.mkdir(folder);
        const elapsedMs = engine.name === "tar"
          ? await timeCall({ argv: ["tar", "-xf", made.largeLayer, "-C", folder] })
          : Number(
            await output([Deno.execPath(), "run", "-A", unpack, made.largeLayer, folder]),
          );
        await Deno.remove(folder, { recursive: true });
        return elapsedMs;
      },
    });
  },
};

/** Extracted, hashed, and stored once more as a blob. */
const IMPORT: Case = {
  name: "import a 204 MB root file system",
  unit: "ms",
  goals: {},
  runs: 3,
  needsLarge: true,
  engines: ["diplodock", "docker", "podman"],
  prepare: (engine, made) =>
    Promise.resolve({
      sample: async () => {
        const argv = [...engine.argv, "import", made.largeLayer, "bench-import"];
        const elapsedMs = await timeCall({ argv, env: engine.env });
        await output([...engine.argv, "rmi", "-f", "bench-import"], engine.env);
        return elapsedMs;
      },
    }),
};

/** The address by which a neighbour would reach this host: that of the engine's bridge. */
async function gateway(engine: Engine, name: string): Promise<string> {
  const format = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}";
  return await output([...engine.argv, "inspect", "-f", format, name], engine.env);
}

const PUBLISHED: Case = {
  name: `${PUBLISHED_MEGABYTES} MB from a published port`,
  unit: "ms",
  goals: { docker: 1 / 0.95 },
  runs: 3,
  engines: ["diplodock", "docker", "podman"],
  prepare: async (engine) => {
    const name = `published-${engine.name}`;
    const port = { diplodock: 8101, docker: 8102, podman: 8103, runc: 0, tar: 0 }[engine.name];
    const file = `dd if=/dev/zero of=/tmp/file bs=1M seek=${PUBLISHED_MEGABYTES} count=0`;
    const serve = `${file} && exec httpd -f -p 80 -h /tmp`;
    const run = ["run", "-d", "--name", name, "-p", `${port}:80`, SMALL_IMAGE, "/bin/sh", "-c"];
    await output([...engine.argv, ...run, serve], engine.env);
    const url = `http://${await gateway(engine, name)}:${port}/file`;
    const fetch = ["curl", "--silent", "--fail", "--retry-connrefused", "--retry", "20", url];
    const size = ["--output", "/dev/null", "--write-out", "%{size_download}"];
    return {
      sample: async () => {
        const start = performance.now();
        const bytes = await output([...fetch, ...size]);
        if (Number(bytes) !== PUBLISHED_MEGABYTES << 20) throw new Error(`only ${bytes} bytes`);
        return performance.now() - start;
      },
      end: async () => void await output([...engine.argv, "rm", "-f", name], engine.env),
    };
  },
};

/** The rows of the table about transfers. */
export const transferCases: readonly Case[] = [PULL, EXTRACT, IMPORT, PUBLISHED];
