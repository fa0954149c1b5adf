/** Names by DNS, as the clients ask that do not read /etc/hosts; and what other servers know. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Netlink } from "../../ffi/netlink.ts";
import { addAddress } from "../../ffi/rtnetlink.ts";
import { parseIp } from "../../src/net/address.ts";
import { DnsServer } from "../lib/dns_server.ts";
import { Engine } from "../lib/engine.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";

enterTestNetwork();
const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const SERVER = "198.51.100.53", SILENT = "198.51.100.54";
const sleeps = ["host", "sleep", "1000"];

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot() && hasProgram("dig"), "needs root and dig"), fn });
}

/** A container in the background. */
const start = (name: string, ...flags: string[]) =>
  engine.ok("run", "-d", "--name", name, ...flags, ...sleeps);
/** What a shell in a container says. */
const sh = (name: string, script: string) => engine.ok("exec", name, "sh", "-c", script);
const dig = (name: string, ...words: string[]) =>
  engine.ok("exec", name, "dig", "+short", "+tries=1", "+timeout=15", ...words);
const status = async (name: string, ...words: string[]) =>
  /status: (\w+)/.exec(await sh(name, `dig +tries=1 +timeout=15 ${words.join(" ")}`))?.[1];
const ipOf = (name: string, network: string) =>
  engine.inspect(name, `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`);

let server: DnsServer;
if (isRoot()) {
  Deno.test.beforeAll(async () => {
    using netlink = Netlink.open();
    netlink.batch([SERVER, SILENT].map((ip) => addAddress(1, parseIp(ip)!, 32)));
    server = await DnsServer.open(SERVER, { "up.test": "192.0.2.7", "big.test": "192.0.2.8" });
    for (const name of ["one", "two"]) await engine.ok("network", "create", name);
    await start("web", "--network", "one", "--network-alias", "svc", "--dns", SERVER);
    await start("api", "--network", "one", "--network-alias", "svc", "--dns", SERVER);
  });
  Deno.test.afterAll(() => server[Symbol.asyncDispose]());
}

test("dns: nslookup, dig and getent know neighbours, by docker's server", async () => {
  const web = await ipOf("web", "one");
  assertStringIncludes(await sh("api", "busybox nslookup web"), `Name:\tweb\nAddress: ${web}\n`);
  assertEquals(await dig("api", "WEB.one"), web);
  assertEquals(await sh("api", "dig +short web AAAA; getent hosts web | cut -d' ' -f1"), web);
  assertEquals(await status("api", "web", "AAAA"), "NOERROR");
  assertEquals(await dig("api", "-x", web), "web.one.");
  assertEquals(await dig("web", "web"), web, "itself");
  const lines = (await sh("api", "cat /etc/resolv.conf")).split("\n");
  assertEquals(lines.filter((line) => line !== "" && !/^# (Made|It)/.test(line)), [
    "nameserver 127.0.0.11",
    "options ndots:0",
    `# ExtServers: [${SERVER}]`,
  ]);
});

test("dns: an alias that two share begins with either", async () => {
  const both = [await ipOf("web", "one"), await ipOf("api", "one")].sort();
  const answers = (await sh("api", "for i in $(seq 12); do dig +short svc; echo; done"))
    .split("\n\n").map((text) => text.trim().split("\n"));
  for (const answer of answers) assertEquals(answer.sort(), both);
  const firsts = await sh("api", "for i in $(seq 24); do dig +short svc | head -n1; done");
  assertEquals([...new Set(firsts.split("\n"))].sort(), both);
});

test("dns: other names come from the container's servers, by TCP what is too long", async () => {
  assertEquals(await dig("api", "up.test"), "192.0.2.7");
  assertMatch(await sh("api", "getent hosts up.test"), /^192\.0\.2\.7 /);
  assertEquals(await status("api", "nobody.test"), "NXDOMAIN");
  assertEquals(await dig("api", "big.test"), "192.0.2.8");
  assert(server.asked.includes("udp big.test") && server.asked.includes("tcp big.test"));
  assert(!server.asked.some((question) => /web|svc/.test(question)), "neighbours are our affair");
});

test("dns: where the first server is silent the second is asked, and goes on being asked", async () => {
  await start("patient", "--network", "one", "--dns", SILENT, "--dns", SERVER);
  const lines = await sh(
    "patient",
    "dig +short +tries=2 +timeout=3 up.test; dig +short +tries=1 +timeout=15 up.test",
  );
  assertEquals(lines.split("\n").filter((line) => !line.startsWith(";")), [
    "192.0.2.7",
    "192.0.2.7",
  ]);
});

test("dns: names follow renames, ends, restarts and networks", async () => {
  await start("old", "--network", "two", "--network-alias", "steady", "--dns", SERVER);
  await start("late", "--dns", SERVER); // on the default network, which has no names
  assert(!(await sh("late", "cat /etc/resolv.conf")).includes("127.0.0.11"));
  await engine.ok("network", "connect", "two", "late");
  assertStringIncludes(await sh("late", "cat /etc/resolv.conf"), "nameserver 127.0.0.11\n");
  assertEquals(await dig("late", "old"), await ipOf("old", "two"));
  await engine.ok("rename", "old", "new");
  assertEquals(await dig("late", "new"), await ipOf("new", "two"));
  assertEquals(await dig("late", "old.two"), "");
  await engine.ok("network", "connect", "--alias", "both", "one", "late");
  assertEquals(await dig("web", "both"), await ipOf("late", "one"));
  assertEquals(
    await dig("late", "web.one", "new.two"),
    [
      await ipOf("web", "one"),
      await ipOf("new", "two"),
    ].join("\n"),
  );
  await engine.ok("network", "disconnect", "one", "late");
  assertEquals(await dig("late", "web.one"), "");
  assertEquals(await dig("web", "both.one"), "");
  await engine.ok("restart", "-t", "0", "new");
  assertEquals(await dig("late", "steady"), await ipOf("new", "two"));
  assertEquals(await dig("new", "late"), await ipOf("late", "two"));
  await engine.ok("rm", "-f", "new");
  assertEquals(await dig("late", "steady.two"), "");
});

test("dns: a link is known to who has it, and a joined container shares all", async () => {
  await start("linked", "--network", "one", "--link", "web:db", "--dns", SERVER);
  assertEquals(await dig("linked", "db"), await ipOf("web", "one"));
  assertEquals(await dig("api", "db"), "");
  const run = ["run", "--rm", "--network", "container:linked", "host"];
  assertEquals(await engine.ok(...run, "dig", "+short", "db"), await ipOf("web", "one"));
});

test("dns: an internal network knows its own, and says SERVFAIL to others", async () => {
  await engine.ok("network", "create", "--internal", "inner");
  await start("within", "--network", "inner");
  assertEquals(await dig("within", "within"), await ipOf("within", "inner"));
  assertEquals(await status("within", "up.test"), "SERVFAIL");
});

test("dns: a container in a user namespace is served as well", async () => {
  const flags = ["--uidmap", "0:200000:1000", "--network", "one", "--dns", SERVER];
  const { stdout } = await engine.dd("run", "--rm", ...flags, "host", "dig", "+short", "web");
  assertEquals(stdout.trim(), await ipOf("web", "one"));
});

test("explain and doctor tell who answers", async () => {
  assertStringIncludes(
    await engine.ok("explain", "web"),
    `DNS: 127.0.0.11, a BPF program on lo; it asks ${SERVER} for other names`,
  );
  assertMatch((await engine.dd("doctor")).stdout, /DNS for containers/);
});
