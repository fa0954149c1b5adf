/** Networks by their commands: what they print, who finds whom by name, which ports lead where. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Engine, PROGRAM, waitFor } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";
import { enterTestNetwork, hear, interfaces, watches } from "../lib/network_namespace.ts";

enterTestNetwork();
const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn });
}

/** A container in the background on the default network, or as `flags` say. */
const start = (name: string, ...words: string[]) =>
  engine.ok("run", "-d", "--name", name, ...words);
/** Something that answers every client with its name. */
const server = (port: number, says: string) => [
  "host",
  "busybox",
  "nc",
  "-ll",
  "-p",
  String(port),
  "-e",
  "/bin/echo",
  says,
];

/** What a server says once it is there. */
async function heard(hostname: string, port: number, says: string): Promise<void> {
  let last = "";
  await waitFor(async () => (last = await hear(hostname, port)) === says)
    .catch(() => assertEquals(last, says));
}

test("network ls() shows the predefined ones in docker's table", async () => {
  const lines = (await engine.ok("network", "ls")).split("\n");
  assertMatch(lines[0], /^NETWORK ID {5}NAME {6}DRIVER {4}SCOPE$/);
  assertEquals(lines.slice(1).map((line) => line.split(/ +/).slice(1)), [
    ["bridge", "bridge", "local"],
    ["host", "host", "local"],
    ["none", "null", "local"],
  ]);
});

const REFUSED: [args: string[], stderr: string][] = [
  [["create", "bridge"], "operation is not permitted on predefined bridge network"],
  [["create", "--subnet", "10.1.0.0", "x"], "invalid CIDR address: 10.1.0.0"],
  [
    ["create", "--subnet", "10.1.0.0/24", "--gateway", "10.2.0.1", "x"],
    "no matching subnet for gateway 10.2.0.1",
  ],
  [
    ["create", "--gateway", "10.2.0.1", "x"],
    "every ip-range or gateway must have a corresponding subnet",
  ],
  [["create", "-d", "nope", "x"], 'plugin "nope" not found'],
  [["create", "-x y"], "unknown shorthand flag"],
  [["create", "a b"], 'invalid network name "a b"'],
  [["rm", "nope"], "network nope not found\nexit status 1"],
  [["rm", "host"], "host is a pre-defined network and cannot be removed\nexit status 1"],
  [["connect", "nope", "nobody"], "No such container: nobody"],
  [["ls", "-f", "color=red"], "invalid filter 'color'"],
];
for (const [args, stderr] of REFUSED) {
  test(`network ${args.join(" ")} is refused in docker's words`, async () => {
    const result = await engine.dd("network", ...args);
    assertStringIncludes(result.stderr, stderr);
    assert(result.code !== 0);
  });
}

test("network create() makes what inspect shows, and refuses doubles and overlaps", async () => {
  const flags = ["--subnet", "10.60.0.0/24", "--ip-range", "10.60.0.128/25", "--label", "a=b"];
  const id = await engine.ok("network", "create", ...flags, "sixty");
  assertMatch(id, /^[0-9a-f]{64}$/);
  const format = "{{.Driver}} {{(index .IPAM.Config 0).Subnet}} " +
    '{{(index .IPAM.Config 0).Gateway}} {{index .Labels "a"}}';
  assertEquals(
    await engine.ok("network", "inspect", "-f", format, id.slice(0, 5)),
    "bridge 10.60.0.0/24 10.60.0.1 b",
  );
  const twice = await engine.dd("network", "create", "sixty");
  assertStringIncludes(twice.stderr, "network with name sixty already exists");
  const overlap = await engine.dd("network", "create", "--subnet", "10.60.0.0/16", "other");
  assertStringIncludes(overlap.stderr, "Pool overlaps with other one on this address space");
  const ip = await engine.ok("run", "--rm", "--network", "sixty", "host", "hostname", "-I");
  assertEquals(ip.trim(), "10.60.0.128", "from the range");
  assertEquals(await engine.ok("network", "rm", "sixty"), "sixty");
});

test("network inspect() prints an empty array for what is not there", async () => {
  const result = await engine.dd("network", "inspect", "nope");
  assertEquals([result.code, result.stdout], [1, "[]\n"]);
  assertStringIncludes(result.stderr, "network nope not found");
});

test("containers find one another by name, alias, and the name they get later", async () => {
  await engine.ok("network", "create", "app");
  await start("db", "--network", "app", "--network-alias", "pg", "host", "sleep", "1000");
  const at = await engine.inspect("db", "{{.NetworkSettings.Networks.app.IPAddress}}");
  for (const name of ["db", "pg"]) {
    const found = await engine.ok(
      "run",
      "--rm",
      "--network",
      "app",
      "host",
      "getent",
      "ahostsv4",
      name,
    );
    assertEquals(found.split(/\s+/)[0], at);
  }
  await start("late", "host", "sleep", "1000");
  await engine.ok("network", "connect", "--alias", "l8", "app", "late");
  const late = await engine.inspect("late", "{{.NetworkSettings.Networks.app.IPAddress}}");
  assertEquals((await engine.ok("exec", "db", "getent", "ahostsv4", "l8")).split(/\s+/)[0], late);
  await engine.ok("rename", "late", "early");
  assertEquals(
    (await engine.ok("exec", "db", "getent", "ahostsv4", "early")).split(/\s+/)[0],
    late,
  );
  const again = await engine.dd("network", "connect", "app", "early");
  assertStringIncludes(again.stderr, "endpoint with name early already exists in network app");
  const inUse = await engine.dd("network", "rm", "app");
  assertStringIncludes(inUse.stderr, "has active endpoints");
  await engine.ok("network", "disconnect", "app", "early");
  assertEquals((await engine.dd("exec", "db", "grep", "early", "/etc/hosts")).code, 1);
  await engine.ok("restart", "-t", "0", "db");
  assertEquals((await engine.ok("exec", "db", "getent", "ahostsv4", "pg")).split(/\s+/)[0], at);
  await engine.ok("rm", "-f", "db", "early");
  assertStringIncludes(await engine.ok("network", "prune", "-f"), "Deleted Networks:\napp");
});

test("a published port is shown by ps, port and inspect, and answers", async () => {
  await start("web", "-p", "8080:80", "-p", "127.0.0.1:8053:53/udp", ...server(80, "hello"));
  await heard("127.0.0.1", 8080, "hello");
  await heard("::1", 8080, "hello");
  assertEquals(
    await engine.ok("ps", "--format", "{{.Ports}}"),
    "127.0.0.1:8053->53/udp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp",
  );
  assertEquals(await engine.ok("port", "web", "80"), "0.0.0.0:8080\n[::]:8080");
  const busy = await engine.dd("run", "--name", "second", "-p", "8080:80", "host", "true");
  assertEquals(busy.code, 125);
  assertMatch(
    busy.stderr,
    /driver failed programming external connectivity on endpoint second \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:8080 failed: port is already allocated/,
  );
  assertEquals(await engine.inspect("second", "{{.State.Status}}"), "created");
  await engine.ok("rm", "-f", "web", "second");
  await heard("127.0.0.1", 8080, "ConnectionRefused");
});

test("a container reaches its own published port by the host's address", async () => {
  await start("self", "-p", "8081:80", ...server(80, "me"));
  await heard("127.0.0.1", 8081, "me");
  const gateway = await engine.inspect("self", "{{.NetworkSettings.Gateway}}");
  const script = `exec 3<>/dev/tcp/${gateway}/8081; cat <&3`;
  assertEquals(await engine.ok("exec", "self", "bash", "-c", script), "me");
  assertEquals(await engine.ok("run", "--rm", "host", "bash", "-c", script), "me");
  await engine.ok("rm", "-f", "self");
});

test("addresses that the user gave are kept over restarts, others are given anew", async () => {
  await engine.ok("network", "create", "--subnet", "10.61.0.0/24", "given");
  const own = ["--network", "given", "--ip", "10.61.0.50", "--mac-address", "02:00:00:00:00:50"];
  await start("own", ...own, "host", "sleep", "1000");
  await start(
    "any",
    "--network",
    "given",
    "-p",
    "8085:80",
    "-p",
    "53/udp",
    "host",
    "sleep",
    "1000",
  );
  const of = async (name: string) =>
    await engine.inspect(
      name,
      "{{with .NetworkSettings.Networks.given}}{{.IPAddress}} {{.MacAddress}}{{end}}",
    );
  const mac = () => engine.ok("exec", "own", "cat", "/sys/class/net/eth0/address");
  assertEquals(await mac(), "02:00:00:00:00:50");
  await engine.ok("stop", "-t", "0", "own", "any");
  assertEquals(await of("any"), " ");
  await start("first", "--network", "given", "host", "sleep", "1000");
  await engine.ok("start", "own", "any");
  assertEquals(await mac(), "02:00:00:00:00:50");
  assertEquals(await of("own"), "10.61.0.50 02:00:00:00:00:50");
  assertEquals(await of("any"), "10.61.0.3 02:42:0a:3d:00:03");
  const keys = "{{range $key, $value := .NetworkSettings.Ports}}{{$key}} {{end}}";
  assertEquals(await engine.inspect("any", keys), "53/udp 80/tcp ");
  assertMatch(await engine.inspect("any", "{{json .NetworkSettings.Ports}}"), /^{"53\/udp":/);
  await engine.ok("rm", "-f", "own", "any", "first");
  await engine.ok("network", "rm", "given");
});

test("a container comes back on the networks that it was left on, by whatever name", async () => {
  const ids = [
    await engine.ok("network", "create", "one"),
    await engine.ok("network", "create", "two"),
  ];
  await start("roams", "--network", ids[0].slice(0, 8), "host", "sleep", "1000");
  const on = async () =>
    (await engine.inspect(
      "roams",
      "{{range $name, $value := .NetworkSettings.Networks}}{{$name}} {{end}}",
    )).trim();
  const links = async () =>
    (await engine.ok("exec", "roams", "ls", "/sys/class/net")).split("\n").length - 1;
  assertEquals(await on(), "one");
  await engine.ok("restart", "-t", "0", "roams");
  assertEquals([await on(), await links()], ["one", 1]);
  await engine.ok("network", "connect", ids[1], "roams");
  await engine.ok("network", "disconnect", ids[0].slice(0, 8), "roams");
  await engine.ok("restart", "-t", "0", "roams");
  assertEquals([await on(), await links()], ["two", 1]);
  await engine.ok("network", "disconnect", "two", "roams");
  await engine.ok("restart", "-t", "0", "roams");
  assertEquals([await on(), await links()], ["", 0]);
  await engine.ok("network", "connect", "one", "roams");
  assertEquals([await on(), await links()], ["one", 1]);
  await engine.ok("rm", "-f", "roams");
  await engine.ok("network", "rm", "one", "two");
});

test("ports are added to and taken from a running container, and kept", async () => {
  await start("live", ...server(80, "live"));
  await engine.ok("update", "--publish-add", "8082:80", "live");
  await heard("127.0.0.1", 8082, "live");
  await engine.ok("restart", "-t", "0", "live");
  await heard("127.0.0.1", 8082, "live");
  await engine.ok("update", "--publish-rm", "8082", "live");
  await heard("127.0.0.1", 8082, "ConnectionRefused");
  assertEquals(await engine.ok("port", "live"), "");
  await engine.ok("rm", "-f", "live");
});

test("the ports of a container that has ended can be had at once", async () => {
  const ports = ["-p", "8083:80", "-p", "8083:80/udp", "-p", "[::1]:8084:80"];
  await start("again", ...ports, "host", "sleep", "1000");
  for (let n = 0; n < 6; n++) {
    await engine.ok("restart", "-t", "0", "again");
    await engine.ok("kill", "again");
    await engine.ok("start", "again");
  }
  await engine.ok("rm", "-f", "again");
  for (let n = 0; n < 6; n++) {
    await engine.ok("run", "--rm", ...ports, "host", "true");
    await start("again", "--userland-proxy", ...ports, "host", "sleep", "1000");
    await engine.ok("rm", "-f", "again");
  }
});

test("the next command puts back what a firewall reload removed", async () => {
  await start("web", "-p", "8087:80", ...server(80, "up"));
  const address = await engine.inspect("web", "{{.NetworkSettings.Gateway}}");
  await heard(address, 8087, "up");
  for (const command of [["ps"], ["run", "--rm", "--network", "none", "host", "true"]]) {
    for (const { pid } of watches(engine)) Deno.kill(pid, "SIGKILL");
    for (const table of ["nat", "filter"]) {
      const flushed = await new Deno.Command("iptables", { args: ["--wait", "-t", table, "-F"] })
        .output();
      assert(flushed.success);
    }
    await engine.ok(...command);
    await heard(address, 8087, "up");
  }
  await engine.ok("rm", "-f", "web");
});

test("where route_localnet is off and read-only, ports are reached from localhost too", async () => {
  await engine.ok("network", "create", "closed");
  const setting = "/proc/sys/net/ipv4/conf/all/route_localnet";
  assertEquals(Deno.readTextFileSync(setting), "0\n");
  const seal = "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && " +
    'exec "$@"';
  const words = ["run", "-d", "--name", "sealed", "--network", "closed", "-p", "8086:80"];
  const command = new Deno.Command("unshare", {
    args: [
      ...["--mount", "--propagation", "private", "sh", "-c", seal, "sh", PROGRAM],
      ...[...words, ...server(80, "there")],
    ],
    env: engine.env,
  });
  const { code, stderr } = await command.output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  await heard("127.0.0.1", 8086, "there");
  await engine.ok("rm", "-f", "sealed");
  await engine.ok("network", "rm", "closed");
});

test("a machine without a firewall program is told what that takes away", async () => {
  const hide = "for p in $(find /usr/sbin /usr/bin -name '*tables*multi' -o -name nft); do " +
    'mount --bind /dev/null "$p"; done; exec "$@"';
  const own = { DIPLODOCK_ROOT: engine.path("bare/root"), DIPLODOCK_RUN: engine.path("bare/run") };
  const run = async (flags: string[], env: Record<string, string> = {}) => {
    const words = [Deno.realPathSync(PROGRAM), "run", "--rm", ...flags, "host", "true"];
    const args = ["--mount", "sh", "-c", hide, "sh", ...words];
    const command = new Deno.Command("unshare", { args, env: { ...engine.env, ...own, ...env } });
    const { code, stderr } = await command.output();
    return { code, stderr: new TextDecoder().decode(stderr) };
  };
  const told = await run(["-p", "8088:80"]);
  assertEquals(told.code, 0, told.stderr);
  assertMatch(told.stderr, /^WARNING: Isolation of networks .*nft: not found/);
  const refused = await run(["--strict"]);
  assertEquals(refused.code, 125, refused.stderr);
  assertEquals(await run([], { DIPLODOCK_FIREWALL: "none" }), { code: 0, stderr: "" });
  assertEquals(await run(["--network", "none"]), { code: 0, stderr: "" });
});

/** Runs a command of the engine where /etc/resolv.conf is another file. */
async function withResolvConf(text: string, ...args: string[]): Promise<void> {
  const file = engine.file("resolv.conf", text);
  const script = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"';
  const command = new Deno.Command("unshare", {
    args: ["--mount", "sh", "-c", script, "sh", file, Deno.realPathSync(PROGRAM), ...args],
    env: engine.env,
  });
  const { success, stderr } = await command.output();
  assert(success, new TextDecoder().decode(stderr));
}

test("a change of the host's resolvers reaches containers that left their file alone", async () => {
  for (const name of ["follows", "keeps"]) await start(name, "host", "sleep", "1000");
  const own = "nameserver 192.0.2.9";
  await engine.ok("exec", "keeps", "sh", "-c", `echo ${own} > /etc/resolv.conf`);
  await withResolvConf("nameserver 127.0.0.1\nnameserver 192.0.2.53\nsearch test\n", "ps");
  const lines = async (name: string) =>
    (await engine.ok("exec", name, "grep", "-v", "^#", "/etc/resolv.conf")).split("\n");
  assertEquals(await lines("follows"), ["nameserver 192.0.2.53", "search test"]);
  assertEquals(await lines("keeps"), [own]);
  await engine.ok("exec", "follows", "sh", "-c", `echo ${own} > /etc/resolv.conf`);
  await engine.ok("ps");
  assertEquals(await lines("follows"), [own], "it was written by the container");
  await engine.ok("rm", "-f", "follows", "keeps");
});

test("explain() tells links, addresses, ports and rules before the start", async () => {
  const words = ["run", "-p", "8089:80", "--net-rate", "1m", "host", "ls"];
  // Lines that were wrapped for the terminal go on indented.
  const text = (await engine.ok("explain", ...words)).replaceAll(/\n {2,}/g, " ");
  assertMatch(text, /^eth0 of network bridge: veth pair with dd[0-9a-f]{11}00 on bridge dip/m);
  assertMatch(text, /address 10\.\d+\.\d+\.\d+\/16, default route via 10\./);
  assertStringIncludes(text, "what it sends: at most 1000000 bit/s\n");
  assertMatch(text, /^port tcp 0\.0\.0\.0:8089 -> 10\.\d+\.\d+\.\d+:80$/m);
  assertMatch(text, /^rule IPv4 ports: protocol tcp, port 8089: send to 10\./m);
});

test("a container shares another's network, or the host's, or has none", async () => {
  await start("owner", "host", "sleep", "1000");
  const ip = await engine.inspect("owner", "{{.NetworkSettings.IPAddress}}");
  const shared = ["run", "--rm", "--network", "container:owner", "host", "hostname", "-I"];
  assertEquals((await engine.ok(...shared)).trim(), ip);
  const links = (network: string) =>
    engine.ok("run", "--rm", "--network", network, "host", "ls", "/sys/class/net");
  assertEquals(await links("none"), "lo");
  assertStringIncludes(await links("host"), "diplodock-");
  await engine.ok("rm", "-f", "owner");
});

test("containers that start at once get addresses of their own", async () => {
  const names = Array.from({ length: 50 }, (_, i) => `many${i}`);
  await Promise.all(names.map((name) => start(name, "host", "sleep", "1000")));
  const format = "{{range .Containers}}{{.IPv4Address}}\n{{end}}";
  const ips = (await engine.ok("network", "inspect", "-f", format, "bridge")).trim().split("\n");
  assertEquals(new Set(ips).size, 50);
  await engine.ok("rm", "-f", ...names);
  await waitFor(() => !interfaces().some((name) => /^dd[0-9a-f]/.test(name)));
  assertEquals(await engine.ok("network", "inspect", "-f", "{{len .Containers}}", "bridge"), "0");
});
