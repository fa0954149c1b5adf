/**
 * A network's record that a power cut or an editor left damaged: only what needs that network
 * fails, and says which file it is; the rules around its containers stay; `network rm` takes it.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Engine, PROGRAM, waitFor } from "../lib/engine.ts";
import { runProgram } from "../lib/oci_box.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";
import { enterTestNetwork, interfaces } from "../lib/network_namespace.ts";

enterTestNetwork();
const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn });
}

const pathOf = (name: string) => `${engine.root}/networks/${name}.json`;
const HOST = ["host", "true"];

const DAMAGES: [name: string, damage: (path: string) => void][] = [
  ["empty", (path) => Deno.truncateSync(path, 0)],
  ["cut short", (path) => Deno.truncateSync(path, Math.floor(Deno.statSync(path).size / 2))],
  ["binary", (path) => Deno.writeFileSync(path, new Uint8Array(600).fill(0xfe))],
  ["something else", (path) => Deno.writeTextFileSync(path, `[{"Name":"bad"}]`)],
  ["a directory", (path) => {
    Deno.removeSync(path);
    Deno.mkdirSync(`${path}/deep`, { recursive: true });
  }],
];

/** It fails, names the file, and says how to get rid of it. */
async function assertNamed(path: string, ...words: string[]): Promise<void> {
  const { code, stderr } = await engine.dd(...words);
  const [line] = stderr.split("\n");
  const told = `${words.join(" ")}: ${code} ${stderr}`;
  assert(code !== 0 && line.includes(path) && line.includes("network rm bad"), told);
}

for (const [what, damage] of DAMAGES) {
  test(`a network's record that is ${what} stops nobody else, and rm takes it`, async () => {
    await engine.ok("network", "create", "bad");
    await engine.ok("network", "create", "good");
    const id = await engine.ok("network", "inspect", "-f", "{{.Id}}", "good");
    const path = pathOf("bad");
    damage(path);
    await assertNamed(path, "run", "--rm", "--network", "bad", ...HOST);
    await assertNamed(path, "network", "inspect", "bad");
    await assertNamed(path, "network", "create", "bad");
    for (const network of ["bridge", "good", id.slice(0, 12)]) {
      await engine.ok("run", "--rm", "--network", network, "-p", "8080:80", ...HOST);
    }
    await engine.ok("network", "create", "third");
    const listed = await engine.dd("network", "ls", "--format", "{{.Name}}");
    assertEquals(listed.stdout, "bridge\ngood\nhost\nnone\nthird\n");
    assertStringIncludes(listed.stderr, path);
    await engine.ok("network", "rm", "good");
    assertEquals(await engine.ok("network", "prune", "-f"), "Deleted Networks:\nthird\n");
    assertEquals(await engine.ok("network", "rm", "-f", "bad"), "bad");
    await engine.ok("network", "create", "bad");
    await engine.ok("run", "--rm", "--network", "bad", ...HOST);
    await engine.ok("network", "rm", "bad");
    const ours = () => interfaces().filter((name) => name.startsWith("dd"));
    // A dead namespace's interfaces go a moment after it; the kernel does not say when.
    await waitFor(() => ours().length === 0).catch(() => assertEquals(ours(), []));
  });
}

function rules(bridge: string): string[] {
  const { stdout } = new Deno.Command("iptables-save").outputSync();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line.includes(bridge))
    .map((line) => line.replace(/\[.*?\]/, "")).sort();
}

test("a network that is in use when its record is damaged keeps its rules until it is removed", async () => {
  await engine.ok("network", "create", "--internal", "bad");
  const web = ["--name", "web", "--network", "bad"];
  await engine.ok("run", "-d", ...web, "host", "sleep", "1000");
  const short = (await engine.ok("network", "inspect", "-f", "{{.Id}}", "bad")).slice(0, 12);
  const before = rules(`dd-${short}`);
  assert(before.length > 0);
  Deno.truncateSync(pathOf("bad"), 100);
  await engine.ok("run", "-d", "--name", "other", "-p", "8080:80", "host", "sleep", "1000");
  await engine.ok("network", "create", "more");
  await engine.ok("network", "connect", "more", "other");
  assertEquals(rules(`dd-${short}`), before);
  const { code, stderr } = await engine.dd("network", "repair");
  assertEquals(code, 1);
  assertStringIncludes(stderr, pathOf("bad"));
  assertEquals(rules(`dd-${short}`), before);
  const inUse = await engine.dd("network", "rm", "bad");
  assertEquals(inUse.code, 1);
  assertStringIncludes(inUse.stderr, `network bad id ${short}`);
  await engine.ok("network", "disconnect", "bad", "web");
  assertEquals(await engine.ok("network", "rm", "bad"), "bad");
  assertEquals(rules(`dd-${short}`), []);
  assert(!interfaces().some((name) => name.includes(short)));
  await engine.ok("rm", "-f", "web", "other");
  await engine.ok("network", "rm", "more");
});

test("a stopped container is taken off a network that is gone", async () => {
  await engine.ok("network", "create", "bad");
  await engine.ok("network", "create", "good");
  await engine.ok("create", "--name", "cc", "--network", "bad", ...HOST);
  await engine.ok("network", "connect", "good", "cc");
  Deno.truncateSync(pathOf("bad"), 0);
  await engine.ok("network", "rm", "bad");
  assertStringIncludes((await engine.dd("start", "cc")).stderr, "network bad not found");
  await engine.ok("network", "disconnect", "bad", "cc");
  await engine.ok("start", "-a", "cc");
  await engine.ok("rm", "cc");
  await engine.ok("network", "rm", "good");
});

test("a default network that is lost is made again, and its bridge serves old and new", async () => {
  await engine.ok("run", "-d", "--name", "old", "host", "sleep", "1000");
  const path = pathOf("bridge");
  Deno.writeTextFileSync(path, "{");
  const { stderr } = await engine.dd("run", "--rm", ...HOST);
  assertStringIncludes(stderr, path);
  assert((await engine.dd("network", "rm", "bridge")).stderr.includes("has active endpoints"));
  Deno.removeSync(path);
  const gateway = "busybox ip route | busybox awk '/default/ { print $3 }'";
  const ping = ["sh", "-c", `busybox ping -c 1 -W 5 $(${gateway})`];
  await engine.ok("run", "--rm", "host", ...ping);
  await engine.ok("exec", "old", ...ping);
  await engine.ok("rm", "-f", "old");
  Deno.writeTextFileSync(path, "{");
  await engine.ok("network", "rm", "bridge");
  await engine.ok("run", "--rm", "host", ...ping);
});

test("where no addresses are free, networks are listed and pruned all the same", async () => {
  const crowded = ["10.0.0.1/8", "172.16.0.1/12", "192.168.0.1/16", "100.64.0.1/10"]
    .map((address) => `ip address add ${address} dev crowd`).join(" && ");
  const there = (...words: string[]) => {
    const script =
      `ip link add crowd type bridge && ip link set crowd up && ${crowded} && exec "$0" "$@"`;
    const args = ["--net", "sh", "-c", script, Deno.realPathSync(PROGRAM), ...words];
    return runProgram(["unshare", ...args], { env: { ...fresh.env } });
  };
  await using fresh = new Engine();
  const why = "all predefined address pools have been fully subnetted";
  const none = await there("network", "create", "app");
  assertEquals([none.code, none.stderr.includes(why)], [1, true], none.stderr);
  await fresh.ok("network", "create", "app");
  const listed = await there("network", "ls", "--format", "{{.Name}}");
  assertEquals(listed.stdout, "app\nhost\nnone\n");
  assertStringIncludes(listed.stderr, why);
  const pruned = await there("network", "prune", "-f");
  assertEquals([pruned.code, pruned.stdout], [0, "Deleted Networks:\napp\n\n"]);
});
