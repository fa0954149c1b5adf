/** Builds that take what other machines built: two engines, and what one leaves for the other. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { saidIn, writeContext } from "../lib/build_box.ts";
import { Engine, type Result } from "../lib/engine.ts";
import { runProgram } from "../lib/oci_box.ts";
import { canServe, Registry } from "../lib/registry.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

/** What a command printed is never printed twice by chance. */
const DICE = "cat /proc/sys/kernel/random/uuid";
const DOCKERFILE = `FROM scratch AS tools
COPY bin /bin
ENV PATH=/bin
RUN ${DICE} | tee /tool

FROM tools
COPY f /d/
RUN ${DICE} | tee /id
CMD ["cat", "/id"]
`;

const here = new Engine(), there = new Engine();
const context = Deno.makeTempDirSync({ prefix: "diplodock-context-" });
let registry: Registry | undefined;

Deno.test.beforeAll(async () => {
  if (!isRoot()) return;
  const rootfs = here.rootfs("rootfs");
  Deno.removeSync(context);
  writeContext(context, { Dockerfile: DOCKERFILE, f: "f\n" });
  assertEquals((await runProgram(["cp", "-a", `${rootfs}/bin`, `${context}/bin`])).code, 0);
  if (canServe()) registry = await Registry.start();
});
Deno.test.afterAll(async () => {
  await registry?.[Symbol.asyncDispose]();
  await here[Symbol.asyncDispose]();
  await there[Symbol.asyncDispose]();
  Deno.removeSync(context, { recursive: true });
});

function test(name: string, fn: () => Promise<void>, ready = true): void {
  Deno.test({ name, ...skipUnless(isRoot() && ready, "needs root and the peers of the test"), fn });
}

async function build(engine: Engine, ...flags: string[]): Promise<Result> {
  return await engine.dd("build", "--network", "none", "-t", "x", ...flags, context);
}

async function built(engine: Engine, ...flags: string[]): Promise<string> {
  const { code, stderr } = await build(engine, ...flags);
  assertEquals(code, 0, stderr);
  return stderr;
}

/** Nothing of the build before, neither image nor cache. */
async function forget(engine: Engine): Promise<void> {
  await engine.ok("system", "prune", "-af");
  assertEquals(await engine.ok("images", "-aq"), "");
}

const idOf = (engine: Engine) => engine.ok("image", "inspect", "-f", "{{.Id}}", "x");

/** Builds here with the first flag, there with the second; what the one there said. */
async function passOn(to: string, from: string): Promise<string> {
  await forget(here);
  await forget(there);
  await built(here, "--cache-to", to);
  const said = await built(there, "--cache-from", from);
  assertEquals(saidIn(said), [], "a RUN was carried out again");
  assertEquals(await idOf(there), await idOf(here));
  const run = ["run", "--rm", "--network", "none", "x"];
  assertEquals(await there.ok(...run), await here.ok(...run));
  return said;
}

test("a cache in a registry spares another machine every RUN", async () => {
  const ref = `${registry!.host}/app:cache`;
  const said = await passOn(`type=registry,ref=${ref},mode=max`, ref);
  assertMatch(said, /^#\d+ importing cache manifest from .*app:cache$/m);
  assertEquals([...said.matchAll(/^#\d+ CACHED$/gm)].length, 4);
  // From here on it is this machine's own.
  assertEquals(saidIn(await built(there)), []);
}, canServe());

test("a cache in a directory is an image layout", async () => {
  const layout = here.path("layout");
  await passOn(`type=local,dest=${layout}`, `type=local,src=${layout}`);
  const index = JSON.parse(Deno.readTextFileSync(`${layout}/index.json`));
  assertEquals(index.manifests.length, 1);
  if (!hasProgram("skopeo")) return;
  const raw = await runProgram(["skopeo", "inspect", "--raw", `oci:${layout}:latest`]);
  assertEquals(JSON.parse(raw.stdout).layers.length, 4, raw.stderr);
});

test("an image that holds its own cache goes through a registry, or an archive", async () => {
  const ref = `${registry!.host}/app:inline`;
  await forget(here);
  await built(here, "--build-arg", "BUILDKIT_INLINE_CACHE=1", "-t", ref);
  await here.ok("push", ref);
  const id = await idOf(here);
  const archive = here.path("app.tar");
  await here.ok("save", "-o", archive, ref);
  await forget(there);
  assertEquals(saidIn(await built(there, "--cache-from", ref, "--cache-to", "type=inline")), []);
  assertEquals(await idOf(there), id);
  await forget(there);
  await registry![Symbol.asyncDispose]();
  registry = undefined;
  await there.ok("load", "-i", archive);
  assertEquals(saidIn(await built(there, "--cache-from", ref, "--cache-to", "type=inline")), []);
  assertEquals(await idOf(there), id);
}, canServe());

test("only what is the same is taken", async () => {
  const layout = here.path("changed");
  await forget(here);
  await built(here, "--cache-to", `type=local,dest=${layout}`);
  await forget(there);
  Deno.writeTextFileSync(`${context}/f`, "g\n");
  try {
    const said = await built(there, "--cache-from", `type=local,src=${layout}`);
    assertEquals(saidIn(said).length, 1); // the RUN after it
    assertNotEquals(await idOf(there), await idOf(here));
    await forget(there);
    const whole = ["--no-cache", "--cache-from", `type=local,src=${layout}`];
    assertEquals(saidIn(await built(there, ...whole)).length, 2);
  } finally {
    Deno.writeTextFileSync(`${context}/f`, "f\n");
  }
});

test("mode=min is what the result is made of, mode=max all stages", async () => {
  const file = `${DOCKERFILE}FROM scratch\nCOPY --from=1 /id /copy\n`;
  Deno.writeTextFileSync(`${context}/Two`, file);
  const [min, max] = ["min", "max"].map((mode) => here.path(mode));
  await forget(here);
  const to = [`type=local,dest=${min},mode=min`, `type=local,dest=${max},mode=max`];
  await built(here, "-f", `${context}/Two`, ...to.flatMap((one) => ["--cache-to", one]));
  const counts = [min, max].map((layout) => {
    const { manifests: [{ digest }] } = JSON.parse(Deno.readTextFileSync(`${layout}/index.json`));
    const path = `${layout}/blobs/sha256/${digest.slice(7)}`;
    return JSON.parse(Deno.readTextFileSync(path)).layers.length;
  });
  assertEquals(counts, [1, 5]);
  await forget(there);
  const from = ["--cache-from", `type=local,src=${max}`];
  assertEquals(saidIn(await built(there, "-f", `${context}/Two`, ...from)), []);
});

test("a cache that is not there or damaged costs a warning, and the work", async () => {
  const layout = here.path("damaged");
  await forget(here);
  await built(here, "--cache-to", `type=local,dest=${layout}`);
  const { manifests: [{ digest }] } = JSON.parse(Deno.readTextFileSync(`${layout}/index.json`));
  const manifest = JSON.parse(Deno.readTextFileSync(`${layout}/blobs/sha256/${digest.slice(7)}`));
  const last = `${layout}/blobs/sha256/${manifest.layers.at(-1).digest.slice(7)}`;
  const bytes = Deno.readFileSync(last);
  bytes[bytes.length - 9] ^= 1;
  Deno.writeFileSync(last, bytes);
  await forget(there);
  const said = await built(there, "--cache-from", `type=local,src=${layout}`);
  assertMatch(said, /WARNING: --cache-from .*: Cannot use .* it is damaged; it is made again/);
  assertEquals(saidIn(said).length, 1);
  for (const from of ["127.0.0.1:1/none", `type=local,src=${here.path("none")}`]) {
    assertMatch(
      await built(there, "--cache-from", from),
      /WARNING: --cache-from \S+ is not used: /,
    );
  }
});

test("a cache that lies about a layer makes no image of it", async () => {
  const layout = here.path("lies");
  await forget(here);
  await built(here, "--cache-to", `type=local,dest=${layout}`);
  const index = `${layout}/index.json`;
  const read = (digest: string) =>
    JSON.parse(Deno.readTextFileSync(`${layout}/blobs/sha256/${digest.slice(7)}`));
  const write = async (value: unknown) => {
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
    Deno.writeFileSync(`${layout}/blobs/sha256/${hash}`, bytes);
    return { digest: `sha256:${hash}`, size: bytes.length };
  };
  const { manifests: [entry] } = JSON.parse(Deno.readTextFileSync(index));
  const manifest = read(entry.digest);
  const document = read(manifest.config.digest);
  document.diff_ids[3] = `sha256:${"0".repeat(64)}`;
  const config = { ...manifest.config, ...await write(document) };
  const changed = { ...entry, ...await write({ ...manifest, config }) };
  Deno.writeTextFileSync(index, JSON.stringify({ schemaVersion: 2, manifests: [changed] }));
  await forget(there);
  const said = await built(there, "--cache-from", `type=local,src=${layout}`);
  assertStringIncludes(said, "it is made again");
  assertEquals(saidIn(said).length, 1);
});

test("a cache that cannot be written fails the build, unless it may", async () => {
  const file = here.file("no-directory", "");
  const { code, stderr } = await build(here, "--cache-to", `type=local,dest=${file}`);
  assertEquals(code, 1);
  assertMatch(stderr, /Cannot export the cache to \S+no-directory: /);
  const to = `type=local,dest=${file},ignore-error=true`;
  assertMatch(await built(here, "--cache-to", to), /WARNING: Cannot export the cache to /);
});

test("a cache serves who built it last, and leaves others' tags alone", async () => {
  const layout = here.path("tags");
  const to = (tag: string) => ["--cache-to", `type=local,dest=${layout},tag=${tag}`];
  await built(here, ...to("a"));
  await built(here, "--no-cache", ...to("b"));
  await built(here, ...to("b"));
  const index = JSON.parse(Deno.readTextFileSync(`${layout}/index.json`));
  const tags = index.manifests.map(({ annotations }: { annotations: object }) =>
    Object.values(annotations)[0]
  );
  assertEquals(tags, ["a", "b"]);
  await forget(there);
  const from = `type=local,src=${layout},tag=b`;
  assertEquals(saidIn(await built(there, "--cache-from", from)), []);
  assert(await idOf(there) === await idOf(here));
});
