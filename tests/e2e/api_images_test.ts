/** Images, networks, volumes and events over the API, by docker's client; projects by docker-compose. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { ApiService } from "../lib/api_service.ts";
import { waitFor } from "../lib/engine.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";
import { serveFiles } from "../lib/file_server.ts";
import { RawClient } from "../lib/raw_http.ts";
import { canServe, PASSWORD, Registry, USER } from "../lib/registry.ts";
import { runProgram } from "../lib/oci_box.ts";
import { tarOf } from "../lib/tree.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

enterTestNetwork();
const service = new ApiService();
Deno.test.afterAll(() => service[Symbol.asyncDispose]());

function test(name: string, programs: string[], fn: () => Promise<void>): void {
  const all = ["docker", "busybox", ...programs];
  const ready = isRoot() && all.every(hasProgram);
  Deno.test({ name, ...skipUnless(ready, `needs root, ${all.join(", ")}`), fn });
}

/** A small image of the client's making. */
async function imported(tag: string): Promise<void> {
  await service.start();
  const root = service.engine.path("small");
  Deno.mkdirSync(`${root}/bin`, { recursive: true });
  for (const name of ["busybox", "sh", "sleep", "wget", "cat"]) {
    await Deno.copyFile("/bin/busybox", `${root}/bin/${name}`);
  }
  const archive = service.engine.path("small.tar");
  const { code } = await runProgram(["tar", "-C", root, "-cf", archive, "."]);
  assertEquals(code, 0);
  await service.ok("import", "-c", 'CMD ["/bin/sh"]', archive, tag);
}

test(
  "docker images, tag, history, inspect, save, load, commit, rmi and image prune",
  [],
  async () => {
    await imported("app:1");
    await service.ok("tag", "app:1", "other:2");
    const format = "{{.Repository}}:{{.Tag}}";
    assertEquals(await service.ok("images", "--format", format, "other"), "other:2");
    assertEquals(await service.ok("inspect", "-f", "{{json .Config.Cmd}}", "app:1"), '["/bin/sh"]');
    assertEquals(
      await service.ok("history", "--format", "{{.Comment}}", "app:1"),
      "Imported from -",
    );
    const path = service.engine.path("saved.tar");
    await service.ok("save", "-o", path, "app:1");
    assertEquals(await service.ok("rmi", "other:2"), "Untagged: other:2");
    assertMatch(await service.ok("rmi", "app:1"), /^Untagged: app:1\nDeleted: sha256:/);
    assertMatch((await service.docker(["inspect", "app:1"])).stderr, /No such object: app:1/);
    assertEquals(await service.ok("load", "-i", path), "Loaded image: app:1");
    await service.ok(
      "run",
      "--name",
      "one",
      "--network",
      "none",
      "app:1",
      "sh",
      "-c",
      "echo x >/made",
    );
    const id = await service.ok("commit", "-c", "ENV A=b", "-m", "why", "one", "made:1");
    assertMatch(id, /^sha256:/);
    assertEquals(
      await service.ok("inspect", "-f", "{{.Comment}} {{.Config.Env}}", id),
      "why [A=b]",
    );
    assertEquals(
      await service.ok("run", "--rm", "--network", "none", "made:1", "cat", "/made"),
      "x",
    );
    assertMatch((await service.docker(["rmi", id])).stderr, /^$|conflict/);
    await service.ok("rm", "one");
    assertStringIncludes(await service.ok("image", "prune", "-af"), "Total reclaimed space:");
    assertEquals(await service.ok("images", "-q"), "");
  },
);

test(
  "docker login, push and pull, with progress and without the password",
  ["docker-registry"],
  async () => {
    assert(canServe());
    await using registry = await Registry.start("basic");
    const name = `${registry.host}/team/app:1`;
    await imported(name);
    assertMatch((await service.docker(["push", name])).stderr, /no basic auth credentials/);
    const wrong = await service.docker(
      ["login", "-u", USER, "--password-stdin", registry.host],
      "no",
    );
    assertMatch(wrong.stderr, /401 Unauthorized/);
    const args = ["login", "-u", USER, "--password-stdin", registry.host];
    assertMatch((await service.docker(args, PASSWORD)).stdout, /Login Succeeded/);
    assertMatch(
      await service.ok("push", name),
      /1: digest: sha256:[0-9a-f]{64} size: /,
    );
    await service.ok("rmi", name);
    await looked(name);
    const pulled = await service.ok("pull", name);
    assertMatch(pulled, /^1: Pulling from team\/app\n/);
    assertMatch(pulled, /Pull complete[^]*Digest: sha256:[^]*Status: Downloaded newer image for /);
    const missing = await service.docker(["pull", `${registry.host}/team/app:2`]);
    assertEquals(missing.code, 1);
    assertMatch(missing.stderr, /manifest for .* not found: manifest unknown/);
    await service.ok("rmi", name);
  },
);

/** GET /distribution: docker's client has no command that shows it. */
async function looked(name: string): Promise<void> {
  using client = new RawClient(service.socket);
  const ask = async (name: string, headers = {}) => {
    const answer = await client.ask("GET", `/distribution/${name}/json`, undefined, headers);
    return { status: answer.status, value: JSON.parse(new TextDecoder().decode(answer.body)) };
  };
  const login = btoa(JSON.stringify({ username: USER, password: PASSWORD }))
    .replaceAll("+", "-").replaceAll("/", "_");
  const known = { "X-Registry-Auth": login };
  assertEquals((await ask(name)).status, 401);
  const { status, value } = await ask(name, known);
  assertEquals(status, 200);
  const platform = { architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64", os: "linux" };
  assertMatch(value.Descriptor.digest, /^sha256:[0-9a-f]{64}$/);
  assertEquals(Object.keys(value.Descriptor).sort(), ["digest", "mediaType", "size"]);
  assertEquals(value.Platforms, [platform]);
  assertEquals((await ask(name.replace(/:1$/, ":2"), known)).status, 404);
}

test("docker network and volume: made, joined, listed, removed", [], async () => {
  await imported("app:1");
  await service.ok("network", "create", "--subnet", "10.231.7.0/24", "--label", "a=b", "back");
  const ipam = await service.ok("network", "inspect", "-f", "{{json .IPAM.Config}}", "back");
  assertEquals(ipam, '[{"Subnet":"10.231.7.0/24","Gateway":"10.231.7.1"}]');
  assertEquals(
    await service.ok("network", "ls", "-qf", "label=a=b", "--no-trunc"),
    await service.ok("network", "inspect", "-f", "{{.Id}}", "back"),
  );
  assertEquals(await service.ok("volume", "create", "--label", "a=b", "data"), "data");
  assertEquals(await service.ok("volume", "ls", "-q", "-f", "label=a=b"), "data");
  await service.ok(
    "run",
    "-d",
    "--name",
    "db",
    "-v",
    "data:/d",
    "app:1",
    "sh",
    "-c",
    "echo v >/d/f; sleep 1000",
  );
  await service.ok("network", "connect", "--alias", "store", "--ip", "10.231.7.9", "back", "db");
  const networks = "{{.NetworkSettings.Networks.back.IPAddress}}";
  assertEquals(await service.ok("inspect", "-f", networks, "db"), "10.231.7.9");
  assertMatch((await service.docker(["network", "rm", "back"])).stderr, /has active endpoints/);
  assertMatch((await service.docker(["volume", "rm", "data"])).stderr, /volume is in use/);
  await service.ok("network", "disconnect", "back", "db");
  await service.ok("rm", "-f", "db");
  await service.ok("network", "rm", "back");
  assertMatch((await service.docker(["network", "rm", "back"])).stderr, /network back not found/);
  await service.ok("volume", "rm", "data");
  assertMatch((await service.docker(["volume", "rm", "data"])).stderr, /no such volume/);
  await service.ok("network", "create", "unused");
  assertEquals(await service.ok("network", "prune", "-f"), "Deleted Networks:\nunused\n");
});

test("docker events tells what happened and what happens", [], async () => {
  await imported("app:1");
  const run = ["run", "--rm", "--network", "none", "--name", "short", "app:1", "sh", "-c"];
  assertEquals((await service.docker([...run, "exit 3"])).code, 3);
  const format = "{{.Type}} {{.Action}}";
  const filters = [
    "--filter",
    "container=short",
    "--filter",
    "event=create",
    "--filter",
    "event=die",
  ];
  // The client counts in whole seconds.
  const now = String(Math.ceil(Date.now() / 1000));
  const args = ["events", "--since", "1h", "--until", now, "--format", format, ...filters];
  assertEquals(await service.ok(...args), "container create\ncontainer die");
  const following = new Deno.Command("docker", {
    args: ["events", "--filter", "type=volume"],
    env: service.env,
    stdout: "piped",
  }).spawn();
  const reader = following.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let told = "";
  const end = (async () => {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      told += piece.value;
    }
  })();
  // It follows from the first that it tells on.
  for (let n = 0; told === ""; n++) await service.ok("volume", "create", `early${n}`);
  await service.ok("volume", "create", "seen");
  await waitFor(() => /volume create seen \(driver=local\)/.test(told));
  following.kill("SIGTERM");
  await Promise.all([end, following.status]);
  const volumes = (await service.ok("volume", "ls", "-q")).split("\n");
  await service.ok("volume", "rm", ...volumes);
});

test("docker build, with the client's classic builder", [], async () => {
  await imported("app:1");
  const folder = service.engine.path("build");
  Deno.mkdirSync(folder);
  const lines = ["FROM app:1", "ARG WHO", "COPY word /word", "RUN echo $WHO >>/word", "ENV A=b"];
  Deno.writeTextFileSync(`${folder}/Dockerfile.own`, lines.join("\n"));
  Deno.writeTextFileSync(`${folder}/word`, "from\n");
  const build = async (...args: string[]) =>
    await service.client(["env", "DOCKER_BUILDKIT=0", "docker", "build", ...args, folder]);
  const file = ["-f", `${folder}/Dockerfile.own`];
  const built = await build("-t", "built:1", "--network", "none", "--build-arg", "WHO=me", ...file);
  assertEquals(built.code, 0, built.stderr);
  assertMatch(built.stdout, /Step 4\/5 : RUN echo[^]*Successfully built [0-9a-f]{12}\n/);
  assertStringIncludes(built.stdout, "Successfully tagged built:1\n");
  const run = ["run", "--rm", "--network", "none", "built:1", "cat", "/word"];
  assertEquals(await service.ok(...run), "from\nme");
  const again = await build("-q", "--network", "none", "--build-arg", "WHO=me", ...file);
  assertEquals(again.stdout.trim(), await service.ok("inspect", "-f", "{{.Id}}", "built:1"));
  Deno.writeTextFileSync(`${folder}/Dockerfile`, "FROM app:1\nRUN exit 5\n");
  const failed = await build("--network", "none");
  assertEquals(failed.code, 5);
  assertMatch(failed.stderr, /The command '\/bin\/sh -c exit 5' returned a non-zero code: 5/);
  Deno.writeTextFileSync(`${folder}/Dockerfile`, "FROM app:1\nWRONG x\n");
  assertMatch((await build()).stderr, /unknown instruction: WRONG/);
  assertEquals(await service.ok("ps", "-aq"), "");
  await service.ok("rmi", "built:1");
  const df = await service.ok("system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Size}}");
  const steps = /^Build Cache ([1-9]\d*) (?!0B)/m.exec(df)?.[1];
  assertMatch(df, /^Images [1-9] [^]*^Containers 0 0B$[^]*^Local Volumes 0 0B$/m);
  assertMatch(await service.ok("system", "df", "-v"), /^app +1 /m);
  const pruned = await service.ok("builder", "prune", "-af");
  assertEquals(pruned.split("\n").filter((line) => /^\w{25}$/.test(line)).length, Number(steps));
  // The longer form is of a client without buildx.
  assertMatch(pruned, /^Total(?: reclaimed space)?: +\d/m);
});

test("import and build take what an address leads to", [], async () => {
  const context = tarOf(["file Dockerfile FROM\tscratch\nCOPY\tword\t/\n", "file word x"]);
  await using server = serveFiles({ "/context.tar": { body: context } });
  const address = `${server.address}/context.tar`;
  const [line, id] = (await service.ok("import", address, "fetched:1")).split("\n");
  assertEquals(line, `Downloading from ${address}`);
  assertEquals(await service.ok("image", "inspect", "-f", "{{.Id}}", "fetched:1"), id);
  using client = new RawClient(service.socket);
  const path = `/v1.41/build?t=fetched:2&remote=${encodeURIComponent(address)}`;
  const answer = new TextDecoder().decode((await client.ask("POST", path)).body);
  assertStringIncludes(answer, "Successfully tagged fetched:2");
  for (const remote of ["/etc", ".", "file:///etc"]) {
    const path = `/v1.41/build?remote=${encodeURIComponent(remote)}`;
    assertEquals((await client.ask("POST", path)).status, 400);
  }
  await service.ok("rmi", "fetched:1", "fetched:2");
});

test("docker build --cache-from an image that holds its cache", [], async () => {
  await imported("app:1");
  const folder = service.engine.path("cached");
  Deno.mkdirSync(folder);
  Deno.writeTextFileSync(
    `${folder}/Dockerfile`,
    "FROM app:1\nRUN cat /proc/sys/kernel/random/uuid > /id\n",
  );
  const build = async (...args: string[]) => {
    const words = ["docker", "build", "-q", "--network", "none", ...args, folder];
    const { code, stdout, stderr } = await service.client(["env", "DOCKER_BUILDKIT=0", ...words]);
    assertEquals(code, 0, stderr);
    return stdout;
  };
  const inline = ["--build-arg", "BUILDKIT_INLINE_CACHE=1"];
  const id = await build("-t", "kept:1", ...inline);
  await service.ok("builder", "prune", "-af");
  assertEquals(await build("--cache-from", "kept:1", ...inline), id);
  await service.ok("builder", "prune", "-af");
  assertNotEquals(await build(...inline), id);
  await service.ok("rmi", "kept:1");
});

test("what is not served says so", [], async () => {
  assertMatch((await service.docker(["node", "ls"])).stderr, /This node is not a swarm manager/);
  assertEquals(await service.ok("plugin", "ls", "-q"), "");
});

const PROJECT = `version: "3"
services:
  db:
    image: app:1
    stop_signal: SIGKILL
    command: ["/bin/sh", "-c", "mkdir -p /www; echo hello $$WHO > /www/index.html; exec /bin/busybox httpd -f -p 8080 -h /www"]
    environment: {WHO: compose}
    volumes: ["data:/data"]
    ports: ["127.0.0.1:0:8080"]
  app:
    build: .
    depends_on: [db]
    command: ["/bin/sh", "-c", "until wget -qO- http://db:8080/; do sleep 0.1; done; exit 3"]
volumes: {data: {}}
`;

test(
  "docker-compose brings a project up, looks at it and takes it down",
  ["docker-compose"],
  async () => {
    await imported("app:1");
    const folder = service.engine.path("project");
    Deno.mkdirSync(folder);
    Deno.writeTextFileSync(`${folder}/docker-compose.yml`, PROJECT);
    Deno.writeTextFileSync(`${folder}/Dockerfile`, "FROM app:1\nENV BUILT=yes\n");
    const compose = async (...args: string[]) => {
      const argv = ["env", "COMPOSE_ANSI=never", "docker-compose", "--project-directory", folder];
      return await service.client([...argv, "-f", `${folder}/docker-compose.yml`, ...args]);
    };
    const up = await compose("up", "--exit-code-from", "app");
    assertEquals(up.code, 3, up.stderr);
    assertStringIncludes(up.stdout, "hello compose");
    const again = await compose("up", "-d", "--force-recreate");
    assertEquals(again.code, 0, again.stderr);
    assertMatch((await compose("ps")).stdout, /project_db_1 .* Up .*->8080\/tcp/);
    const asked = () => compose("exec", "-T", "db", "cat", "/www/index.html");
    await waitFor(async () => (await asked()).stdout === "hello compose\n");
    const address = (await compose("port", "db", "8080")).stdout.trim();
    const fetched = () => fetch(`http://${address}/`).then((answer) => answer.text(), () => "");
    await waitFor(async () => await fetched() === "hello compose\n");
    const down = await compose("down", "-v", "-t", "0");
    assertEquals(down.code, 0, down.stderr);
    assertEquals(await service.ok("ps", "-aq"), "");
    assertEquals(await service.ok("volume", "ls", "-q"), "");
  },
);
