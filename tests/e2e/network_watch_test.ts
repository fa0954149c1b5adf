/** The watch over rules: what a firewall reload removed comes back without a command. */
import { assert, assertEquals } from "@std/assert";
import { Engine, waitFor } from "../lib/engine.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";
import { enterTestNetwork, watches } from "../lib/network_namespace.ts";

enterTestNetwork();
const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const OPTIONS = skipUnless(
  isRoot() && hasProgram("iptables-nft"),
  "needs root and iptables of the nft variant",
);

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...OPTIONS, fn });
}

async function iptables(...args: string[]): Promise<string> {
  const command = new Deno.Command("iptables", { args: ["--wait", ...args] });
  const { success, stdout, stderr } = await command.output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

const publish = (name: string, port: number) =>
  engine.ok("run", "-d", "--name", name, "-p", `${port}:80`, "host", "sleep", "1000");

/** The one watch there is, once the one before it has ended. */
async function oneWatch(): Promise<number> {
  let found: number[] = [];
  await waitFor(() => (found = watches(engine).map(({ pid }) => pid)).length === 1);
  return found[0];
}

async function remove(name: string): Promise<void> {
  await engine.ok("rm", "-f", name);
  await waitFor(() => watches(engine).length === 0);
}

/** Removes the rules of everybody, and waits until those for `port` are there again. */
async function reload(port: number): Promise<void> {
  for (const table of ["filter", "nat"]) await iptables("-t", table, "-F");
  await waitFor(async () => (await iptables("-t", "nat", "-S")).includes(`--dport ${port} `));
}

test("the watch puts back what a firewall reload removed, as often as it does", async () => {
  await publish("web", 8087);
  for (let time = 0; time < 2; time++) await reload(8087);
  // The other tables as well.
  await waitFor(async () => (await iptables("-S")).includes("DIPLODOCK"));
  await remove("web");
});

test("one watch is for all containers, and goes on when one of them ends", async () => {
  await publish("one", 8088);
  await publish("two", 8089);
  const first = await oneWatch();
  await engine.ok("rm", "-f", "one");
  await waitFor(async () => await oneWatch() !== first);
  await reload(8089);
  await remove("two");
});

test("a watch that was killed is started by the next command", async () => {
  await publish("web", 8087);
  for (const { pid } of watches(engine)) Deno.kill(pid, "SIGKILL");
  await waitFor(() => watches(engine).length === 0);
  await engine.ok("ps");
  await reload(8087);
  await remove("web");
});

test("the watch takes little memory", async () => {
  await publish("web", 8087);
  const rollup = Deno.readTextFileSync(`/proc/${await oneWatch()}/smaps_rollup`);
  assert(Number(/^Rss: +(\d+) kB/m.exec(rollup)![1]) <= 64, rollup);
  await remove("web");
});

test("a port that is published later is watched over, and so is one after a restart", async () => {
  await engine.ok("run", "-d", "--name", "web", "--restart", "always", "host", "sleep", "1000");
  await engine.ok("update", "--publish-add", "8090:80", "web");
  await oneWatch();
  Deno.kill(Number(await engine.inspect("web", "{{.State.Pid}}")), "SIGKILL");
  await waitFor(async () =>
    await engine.inspect("web", "{{.State.Running}} {{.RestartCount}}") === "true 1"
  );
  await oneWatch();
  await reload(8090);
  await remove("web");
});

test("without published ports nobody watches", async () => {
  await engine.ok("run", "-d", "--name", "plain", "host", "sleep", "1000");
  assertEquals(watches(engine), []);
  await engine.ok("rm", "-f", "plain");
});
