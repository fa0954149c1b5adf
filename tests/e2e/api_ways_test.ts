/** The ways to docker's API: ssh, systemd's sockets, the service of an ordinary user. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Engine, PROGRAM, type Result, waitFor } from "../lib/engine.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";
import { runProgram } from "../lib/oci_box.ts";
import { OrdinaryUser } from "../lib/ordinary_user.ts";
import { RawClient } from "../lib/raw_http.ts";
import { freePort } from "../lib/registry.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

enterTestNetwork(); // nobody else's ports
const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, programs: string[], fn: () => Promise<void>): void {
  const ready = isRoot() && programs.every(hasProgram);
  Deno.test({ name, ...skipUnless(ready, `needs root, ${programs.join(", ")}`), fn });
}

const program = Deno.realPathSync(PROGRAM);

/** An ssh server of our own, where `docker` is Diplodock; and `ssh` as its client. */
async function sshServer(): Promise<{ port: number; path: string; server: Deno.ChildProcess }> {
  const bin = engine.path("bin"), far = engine.path("far"), port = freePort();
  for (const folder of [bin, far]) Deno.mkdirSync(folder);
  Deno.mkdirSync("/run/sshd", { recursive: true, mode: 0o755 }); // sshd wants it
  Deno.symlinkSync(program, `${far}/docker`);
  for (const key of ["host", "user"]) {
    const made = await runProgram(
      ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", engine.path(key)],
    );
    assertEquals(made.code, 0, made.stderr);
  }
  const variables = [
    `PATH=${far}:/usr/bin:/bin`,
    ...Object.entries(engine.env).map(([name, value]) => `${name}=${value}`),
  ];
  const config = engine.file(
    "sshd_config",
    `Port ${port}
ListenAddress 127.0.0.1
HostKey ${engine.path("host")}
PidFile none
AuthorizedKeysFile ${engine.path("user.pub")}
StrictModes no
UsePAM no
PasswordAuthentication no
SetEnv ${variables.join(" ")}
`,
  );
  const [kind, key] = Deno.readTextFileSync(engine.path("host.pub")).split(" ");
  const known = engine.file("known", `[127.0.0.1]:${port} ${kind} ${key}\n`);
  const client = engine.file(
    "ssh_config",
    `IdentityFile ${engine.path("user")}\nIdentitiesOnly yes\nUserKnownHostsFile ${known}\n`,
  );
  engine.file("bin/ssh", `#!/bin/sh\nexec /usr/bin/ssh -F ${client} "$@"\n`, 0o755);
  const server = new Deno.Command("/usr/sbin/sshd", {
    args: ["-D", "-e", "-f", config],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  (await connected({ hostname: "127.0.0.1", port })).close();
  return { port, path: `${bin}:/usr/bin:/bin`, server };
}

type Address = Deno.ConnectOptions | Deno.UnixConnectOptions;

/** A connection, once somebody listens: an address is there a moment before that. */
async function connected(address: Address): Promise<Deno.Conn> {
  let connection: Deno.Conn | undefined;
  await waitFor(async () => {
    connection = await connect(address).catch(() => undefined);
    return connection !== undefined;
  });
  return connection!;
}

function connect(address: Address): Promise<Deno.Conn> {
  // Each has a signature of its own, and none takes either.
  return "path" in address ? Deno.connect(address) : Deno.connect(address);
}

test(
  "docker -H ssh:// runs containers of the other machine, without a service",
  ["docker", "sshd", "ssh", "ssh-keygen"],
  async () => {
    const { port, path, server } = await sshServer();
    const docker = (args: string[], input?: string): Promise<Result> =>
      runProgram(["docker", "-H", `ssh://root@127.0.0.1:${port}`, ...args], {
        env: { PATH: path, DOCKER_CONFIG: engine.path("client"), HOME: engine.top },
        ...(input !== undefined && { input }),
      });
    try {
      const script = "cat; echo err >&2; exit 4";
      const run = ["run", "-i", "--rm", "--network", "none", "host", "sh", "-c", script];
      assertEquals(await docker(run, "in\n"), { code: 4, stdout: "in\n", stderr: "err\n" });
      await waitFor(() => engine.processes().length === 0);
    } finally {
      server.kill("SIGTERM");
      await server.status;
    }
  },
);

/** `system service` as systemd's socket units start it; `wake` ends it unless it ends by itself. */
async function activated(
  listen: readonly string[],
  wake: (service: Deno.ChildProcess) => Promise<void>,
): Promise<{ code: number; stderr: string; socketStays: boolean }> {
  const socket = engine.path("passed.sock");
  const service = new Deno.Command("systemd-socket-activate", {
    args: [
      ...Object.entries(engine.env).flatMap(([name, value]) => ["-E", `${name}=${value}`]),
      ...listen.flatMap((address) => ["-l", address]),
      ...[program, "system", "service"],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const output = service.stderr.text();
  await wake(service);
  const { code } = await service.status;
  const socketStays = [...Deno.readDirSync(engine.top)].some(({ name }) => name === "passed.sock");
  await Deno.remove(socket).catch(() => {});
  return { code, stderr: await output, socketStays };
}

test(
  "a socket that systemd passes on is served, and stays systemd's",
  ["systemd-socket-activate"],
  async () => {
    const socket = engine.path("passed.sock");
    const { code, socketStays } = await activated([socket], async (service) => {
      (await connected({ transport: "unix", path: socket })).close(); // wakes it
      using client = new RawClient(socket);
      assertEquals((await client.ask("GET", "/_ping")).status, 200);
      using other = new RawClient(socket);
      assertEquals((await other.ask("GET", "/v1.41/containers/json")).status, 200);
      service.kill("SIGTERM");
    });
    assertEquals({ code, socketStays }, { code: 0, socketStays: true });
  },
);

for (const what of ["a TCP port", "two sockets"]) {
  test(
    `no service comes of ${what} that systemd passes on`,
    ["systemd-socket-activate"],
    async () => {
      const port = freePort(), path = engine.path("passed.sock");
      const [address, listen] = what === "a TCP port"
        ? [{ hostname: "127.0.0.1", port }, [`127.0.0.1:${port}`]] as const
        : [{ transport: "unix", path }, [path, engine.path("second.sock")]] as const;
      const { code, stderr } = await activated(listen, async () => {
        using connection = await connected(address); // wakes it, and hears nothing
        await connection.read(new Uint8Array(1)).catch(() => null);
      });
      assertEquals(code, 1);
      assertMatch(stderr, /Cannot listen on the (socket|2 sockets) that systemd passed on/);
    },
  );
}

test("an ordinary user has a service of his own", ["docker", "setpriv"], async () => {
  await using user = await OrdinaryUser.make();
  const rootfs = engine.rootfs("small");
  const archive = `${user.top}/small.tar`;
  assertEquals((await runProgram(["tar", "-C", rootfs, "-cf", archive, "."])).code, 0);
  const [command, ...args] = user.argv([`${user.top}/diplodock`, "system", "service"]);
  const service = new Deno.Command(command, { args, stdin: "null", stdout: "null" }).spawn();
  const socket = `${user.run}/diplodock.sock`;
  (await connected({ transport: "unix", path: socket })).close();
  assertEquals(Deno.statSync(socket).uid, user.uid);
  const docker = (...words: string[]) =>
    user.as(["docker", "-H", `unix://${socket}`, ...words], {
      DOCKER_CONFIG: `${user.home}/client`,
    });
  assertMatch((await docker("import", archive, "small")).stdout, /^sha256:/);
  const script = "id -u; echo err >&2; exit 3";
  const run = ["run", "--rm", "--network", "none", "small", "sh", "-c", script];
  assertEquals(await docker(...run), { code: 3, stdout: "0\n", stderr: "err\n" });
  assertMatch((await docker("info", "-f", "{{json .SecurityOptions}}")).stdout, /name=rootless/);
  const pid = user.processes().find((line) => line.includes("diplodock-api"))!;
  Deno.kill(parseInt(pid), "SIGTERM");
  await service.status;
  await assertRejects(() => Deno.lstat(socket), Deno.errors.NotFound);
});
