/**
 * A hundred kills at random moments, of clients that start containers, of monitors and of first
 * processes: the next command leaves nothing of the dead, and takes nothing from the living.
 */
import { assert, assertEquals } from "@std/assert";
import { Engine, waitFor } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";
import { enterTestNetwork, hear, interfaces } from "../lib/network_namespace.ts";

enterTestNetwork();
const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const KILLS = 100;
const AT_ONCE = 5;
/** A start takes about a third of this when five are made at once. */
const LATEST_MS = 250;

/** mulberry32: the same kills in every run. */
function randomNumbers(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const NETWORKS: ((port: number) => string[])[] = [
  () => [],
  (port) => ["-p", `${port}:80`],
  (port) => ["--network", "app", "--network-alias", "x", "-p", `${port}:80/udp`],
  (port) => ["--userland-proxy", "-p", `${port}:80`],
  (port) => ["--network", "six", "-p", `${port}:80`],
];
type Victim = "client" | "monitor" | "init" | "both";

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // it was faster
  }
}

/** Starts a container and kills what is to be killed. */
async function strike(n: number, random: () => number, victims: readonly Victim[]): Promise<void> {
  const network = NETWORKS[Math.floor(random() * NETWORKS.length)](20_000 + n);
  const victim = victims[Math.floor(random() * victims.length)];
  const moment = random() * LATEST_MS;
  const words = ["run", "-d", "--name", `k${n}`, ...network, "host", "sleep", "1000"];
  const child = engine.spawn(words);
  const timer = setTimeout(() => victim === "client" && kill(child.pid), moment);
  const { success, stderr } = await child.output();
  clearTimeout(timer);
  if (victim === "client") return;
  assert(success, `${network.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  const [id, pid] = (await engine.inspect(`k${n}`, "{{.Id}} {{.State.Pid}}")).split(" ");
  const monitor = engine.processes()
    .find(({ words }) => words.startsWith(`diplodock-monitor ${id.slice(0, 12)}`));
  if (victim !== "init") kill(monitor!.pid);
  if (victim !== "monitor") kill(Number(pid));
}

function names(path: string): string[] {
  try {
    return Array.from(Deno.readDirSync(path), ({ name }) => name);
  } catch {
    return [];
  }
}

/** What this namespace and the engine's directories have of containers' networks. */
function traces(): string[] {
  const run = `${engine.run}/net`;
  const saved = ["iptables-save", "ip6tables-save"].flatMap((program) =>
    new TextDecoder().decode(new Deno.Command(program).outputSync().stdout).split("\n")
  );
  const sockets = ["tcp", "tcp6", "udp", "udp6"].flatMap((table) =>
    Deno.readTextFileSync(`/proc/thread-self/net/${table}`).trim().split("\n").slice(1)
      .filter((line) => table.startsWith("udp") || line.trim().split(/\s+/)[3] === "0A")
  );
  return [
    ...names(`${run}/containers`),
    ...names(`${run}/leases`).flatMap((id) => names(`${run}/leases/${id}`)),
    ...saved.filter((line) => line.includes("-j DNAT")),
    ...sockets,
    ...interfaces().filter((name) => /^dd[0-9a-f]{11}/.test(name)),
  ];
}

Deno.test({
  name: `after ${KILLS} random kills the next command leaves nothing of the dead`,
  ...skipUnless(isRoot(), "needs root"),
  fn: async () => {
    await engine.ok("network", "create", "app");
    await engine.ok("network", "create", "--ipv6", "six");
    const answer = ["host", "busybox", "nc", "-ll", "-p", "80", "-e", "/bin/echo", "alive"];
    await engine.ok("run", "-d", "--name", "live", "--network", "six", "-p", "8080:80", ...answer);
    const random = randomNumbers(20_260_501);
    const victims: Victim[] = ["client", "client", "client", "monitor", "init", "both"];
    for (let n = 0; n < KILLS; n += AT_ONCE) {
      const wave = Array.from({ length: AT_ONCE }, (_, i) => strike(n + i, random, victims));
      await Promise.all(wave);
    }
    engine.remember();
    const live = await engine.inspect("live", "{{.Id}}");
    const ours = engine.ids().filter((id) => id !== live).map((id) => id.slice(0, 12));
    const dying = () =>
      engine.processes().filter(({ words }) =>
        ours.some((id) => words.includes(id)) || words === "sleep 1000"
      );
    // Those whose start was faster than the kill: as if the power had failed.
    for (const { pid } of dying()) kill(pid);
    await waitFor(() => dying().length === 0);

    await engine.ok("run", "--rm", "--network", "none", "host", "true");
    const kept = await engine.inspect(
      "live",
      "{{.NetworkSettings.Networks.six.IPAddress}} " +
        "{{.NetworkSettings.Networks.six.GlobalIPv6Address}}",
    );
    for (const ip of ["127.0.0.1", "::1"]) {
      await waitFor(async () => await hear(ip, 8080) === "alive");
    }
    const foreign = () =>
      traces().filter((line) =>
        !line.startsWith(live) && !kept.split(" ").some((ip) => line.includes(ip)) &&
        !line.includes(":1F90 ") && !line.startsWith(`dd${live.slice(0, 11)}`)
      );
    // A dead namespace's interfaces go a moment after it; the kernel does not say when.
    await waitFor(() => foreign().length === 0).catch(() => assertEquals(foreign(), []));
    await engine.ok("rm", "-f", ...engine.ids());
    await waitFor(() => traces().length === 0).catch(() => assertEquals(traces(), []));
    assertEquals(await engine.left(), []);
    await engine.ok("network", "rm", "app", "six");
    assertEquals(interfaces().filter((name) => name.startsWith("dd-")), []);
  },
});

Deno.test({
  name: "after a reboot nothing is left of networks, and a start makes it anew",
  ...skipUnless(isRoot(), "needs root"),
  fn: async () => {
    await engine.ok("network", "create", "app");
    const serve = ["host", "busybox", "nc", "-ll", "-p", "80", "-e", "/bin/echo", "up"];
    await engine.ok("run", "-d", "--name", "web", "--network", "app", "-p", "8080:80", ...serve);
    const before = await engine.inspect("web", "{{.NetworkSettings.Networks.app.IPAddress}}");
    assert(before !== "");
    engine.remember();
    for (const { pid } of engine.processes()) kill(pid);
    await waitFor(() => engine.processes().length === 0);
    Deno.removeSync(engine.run, { recursive: true });
    enterTestNetwork(); // the old namespace had the bridges and the rules
    assertEquals(await engine.ok("ps", "-a", "--format", "{{.State}} {{.Ports}}"), "exited ");
    assertEquals(traces(), []);
    await engine.ok("start", "web");
    await waitFor(async () => await hear("127.0.0.1", 8080) === "up");
    assertEquals(
      await engine.inspect("web", "{{.NetworkSettings.Networks.app.IPAddress}}"),
      before,
    );
    await engine.ok("rm", "-f", "web");
    await engine.ok("network", "rm", "app");
  },
});

/** Waits, without giving other work a chance, until the container's first process is there. */
function hasInit(id: string): boolean {
  try {
    return Deno.statSync(`${engine.run}/containers/${id}/init`).size > 0;
  } catch {
    return false;
  }
}

Deno.test({
  name: "a client killed right after the launch leaves a container with all its addresses",
  ...skipUnless(isRoot(), "needs root"),
  fn: async () => {
    for (let n = 0; n < 12; n++) {
      const name = `cut${n}`;
      const port = 21_000 + n;
      await engine.ok("create", "--name", name, "-p", `${port}:80`, "host", "sleep", "1000");
      const id = await engine.inspect(name, "{{.Id}}");
      const client = engine.spawn(["start", name]);
      const deadline = Date.now() + 20_000;
      while (!hasInit(id) && Date.now() < deadline);
      kill(client.pid);
      await client.output();
      const [status, ip, published, key] = (await engine.inspect(
        name,
        "{{.State.Status}} {{.NetworkSettings.IPAddress}} " +
          `{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}} ` +
          "{{.NetworkSettings.SandboxKey}}",
      )).split(" ");
      assertEquals([status, published], ["running", String(port)]);
      assert(/^10\.\d+\.\d+\.\d+$/.test(ip), ip);
      assertEquals(key, `/proc/${await engine.inspect(name, "{{.State.Pid}}")}/ns/net`);
      const ports = await engine.ok("ps", "--filter", `name=${name}$`, "--format", "{{.Ports}}");
      assert(ports.includes(`0.0.0.0:${port}->80/tcp`), ports);
      assert((await engine.ok("port", name)).includes(`80/tcp -> 0.0.0.0:${port}`));
    }
    await engine.ok("rm", "-f", ...engine.ids());
    await waitFor(() => traces().length === 0).catch(() => assertEquals(traces(), []));
  },
});
