/** Flags that few use: what each of them does. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Engine, waitFor } from "../lib/engine.ts";
import { runProgram } from "../lib/oci_box.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";

enterTestNetwork();
const engine = new Engine();
const box = engine.rootfs("box", (root) => {
  for (const folder of ["etc", "tmp"]) Deno.mkdirSync(`${root}/${folder}`);
  Deno.symlinkSync("busybox", `${root}/bin/ip`);
});
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

let made: Promise<unknown> | undefined;

/** An image `small` whose environment has A and B, and a network with both families. */
async function make(): Promise<void> {
  const tar = engine.path("box.tar");
  assertEquals((await runProgram(["tar", "-C", box, "-cf", tar, "."])).code, 0);
  await engine.ok("import", "-c", "ENV A=1 B=2", tar, "small");
  await engine.ok(
    ...["network", "create", "--ipv6", "--subnet", "10.77.0.0/24", "--gateway", "10.77.0.1"],
    ...["--subnet", "fd00:77::/64", "--aux-address", "taken=10.77.0.2", "--attachable"],
    ...["--ipam-driver", "default", "--ipam-opt", "a=b", "--label", "x=y", "both"],
  );
}

function test(name: string, fn: () => Promise<void>): void {
  const whole = async () => {
    await (made ??= make());
    await fn();
  };
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn: whole });
}

const NONE = ["--network", "none"];
const file = (name: string, text: string) => engine.file(name, text);

/** Words behind `run --rm`, and what the output has, or (`not`) has not. */
const RUNS: [flags: string[], command: string, has: RegExp, not?: RegExp][] = [
  [["--dns-opt", "ndots:7", "--net", "both"], "cat /etc/resolv.conf", /^options .*ndots:7$/m],
  [["--network", "both", "--ip6", "fd00:77::9"], "ip addr", /inet6 fd00:77::9\/64/],
  [["--network", "both", "--ip", "10.77.0.9"], "ip addr", /inet 10\.77\.0\.9\/24/],
  [["--network", "both", "--link-local-ip", "169.254.7.7"], "ip addr", /169\.254\.7\.7/],
  [[...NONE, "--no-hosts"], "ls /etc", /^/, /hosts/],
  [[...NONE, "--no-hostname"], "ls /etc", /^/, /hostname/],
  [[...NONE, "--hosts-file", file("hosts", "1.2.3.4 abc\n")], "cat /etc/hosts", /^1\.2\.3\.4 abc/],
  [[...NONE, "--unsetenv", "A"], "env", /^B=2$/m, /^A=/m],
  [[...NONE, "--unsetenv-all"], "env", /^HOME=/m, /^[AB]=/m],
  [[...NONE, "--volume-driver", "local", "-v", "vol:/vol"], "ls -d /vol", /^\/vol$/m],
  [[...NONE, "--tz", "local"], "ls -d /etc", /etc/],
];
for (const [flags, command, has, not] of RUNS) {
  test(`run ${flags.join(" ").replace(engine.top, "")}: ${command}`, async () => {
    const out = await engine.ok("run", "--rm", ...flags, "small", "sh", "-c", command);
    assertMatch(out, has);
    if (not !== undefined) assert(!not.test(out), out);
  });
}

test("run --net-alias: others of the network find it by this name", async () => {
  await engine.ok(
    ...["run", "-d", "--name", "web", "--net", "both", "--net-alias", "other", "small"],
    ...["sleep", "1000"],
  );
  const hosts = await engine.ok("run", "--rm", "--net", "both", "small", "cat", "/etc/hosts");
  assertMatch(hosts, /\bother\b/);
  await engine.ok("rm", "-f", "web");
});

test("run -P publishes what is exposed on ports that are free", async () => {
  const exposed = ["--expose", "80", "--expose", "81/udp"];
  await engine.ok("run", "-d", "--name", "open", "-P", ...exposed, "small", "sleep", "1000");
  assertMatch(await engine.ok("port", "open", "80"), /^0\.0\.0\.0:\d+$/m);
  assertMatch(await engine.ok("port", "open", "81/udp"), /^0\.0\.0\.0:\d+$/m);
  await engine.ok("rm", "-f", "open");
});

const REFUSED: [flags: string, text: string][] = [
  ["--use-api-socket", "Cannot bind the API socket: this engine has none"],
  ["--volume-driver nosuch -v vol:/v", 'plugin "nosuch" not found'],
  ["--network both --ip6 1.2.3.4", "invalid"],
];
for (const [flags, text] of REFUSED) {
  test(`run ${flags} is refused`, async () => {
    const { code, stderr } = await engine.dd("run", "--rm", ...flags.split(" "), "small", "true");
    assertEquals(code, 125);
    assertStringIncludes(stderr, text);
  });
}

test("run --io-maxbandwidth warns: it is for Windows", async () => {
  const flags = ["--io-maxbandwidth", "1m", ...NONE];
  const { code, stderr } = await engine.dd("run", "--rm", ...flags, "small", "true");
  assertEquals([code, /WARNING: --io-maxbandwidth is for Windows only/.test(stderr)], [0, true]);
});

test("run --retry tries to pull again, --retry-delay apart", async () => {
  const flags = ["--retry", "2", "--retry-delay", "0s"];
  const name = "127.0.0.1:1/nobody/there:1";
  const { code, stderr } = await engine.dd("run", "--rm", ...flags, name, "true");
  assertEquals(code, 125);
  assertStringIncludes(stderr, "Unable to find image");
});

test("network create keeps what was asked for", async () => {
  const network = JSON.parse(await engine.ok("network", "inspect", "both"))[0];
  assertEquals([network.Attachable, network.EnableIPv6, network.Labels], [true, true, { x: "y" }]);
  assertEquals(network.IPAM, {
    Driver: "default",
    Options: { a: "b" },
    Config: [
      {
        Subnet: "10.77.0.0/24",
        Gateway: "10.77.0.1",
        AuxiliaryAddresses: { taken: "10.77.0.2" },
      },
      { Subnet: "fd00:77::/64", Gateway: "fd00:77::1" },
    ],
  });
  const first = await engine.ok("run", "--rm", "--net", "both", "small", "ip", "-4", "addr");
  assertStringIncludes(first, "10.77.0.3/24"); // .2 is taken
});

test("network ls --no-trunc shows whole ids", async () => {
  assertMatch(await engine.ok("network", "ls", "--no-trunc"), /^[0-9a-f]{64} +both +bridge/m);
});

test("network connect gives addresses, links and a rank of the gateway", async () => {
  await engine.ok("run", "-d", "--name", "peer", "--net", "both", "small", "sleep", "1000");
  await engine.ok("run", "-d", "--name", "late", "small", "sleep", "1000");
  await engine.ok(
    ...[
      "network",
      "connect",
      "--ip",
      "10.77.0.50",
      "--ip6",
      "fd00:77::50",
      "--link",
      "peer:friend",
    ],
    ...["--link-local-ip", "169.254.9.9", "--gw-priority", "5", "--driver-opt", "k=v"],
    ...["both", "late"],
  );
  const format = '{{json (index .NetworkSettings.Networks "both")}}';
  const endpoint = JSON.parse(await engine.inspect("late", format));
  assertEquals(
    [endpoint.IPAddress, endpoint.GlobalIPv6Address, endpoint.GwPriority, endpoint.DriverOpts],
    ["10.77.0.50", "fd00:77::50", 5, { k: "v" }],
  );
  const addresses = await engine.ok("exec", "late", "ip", "addr");
  for (const address of ["10.77.0.50/24", "fd00:77::50/64", "169.254.9.9"]) {
    assertStringIncludes(addresses, address);
  }
  assertStringIncludes(await engine.ok("exec", "late", "ip", "route"), "default via 10.77.0.1");
  assertMatch(await engine.ok("exec", "late", "cat", "/etc/hosts"), /\bfriend\b/);
  await engine.ok("rm", "-f", "peer", "late");
});

test("network repair puts a container's bridge port and rules back", async () => {
  await engine.ok("run", "-d", "--name", "kept", "--net", "both", "small", "sleep", "1000");
  assertMatch(await engine.ok("network", "repair"), /^rules: /m);
  await engine.ok("rm", "-f", "kept");
});

test("image mount shows an image's files, image unmount takes them away", async () => {
  const path = await engine.ok("image", "mount", "small");
  assert(Deno.statSync(`${path}/bin/busybox`).isFile);
  assertEquals((await runProgram(["touch", `${path}/x`])).code, 1, "it is read only");
  assertStringIncludes(await engine.ok("image", "mount"), path);
  await engine.ok("image", "unmount", "small");
  assertEquals(await engine.ok("image", "mount"), "");
  await engine.ok("image", "mount", "small");
  await engine.ok("image", "unmount", "--all");
  assertEquals(await engine.ok("image", "mount"), "");
});

test("history --human=false prints bytes and times", async () => {
  const line = (await engine.ok("history", "--human=false", "small")).split("\n")[1];
  assertMatch(line, /^[0-9a-f]{12} +\d{4}-\d\d-\d\dT\S+ .* \d{6,} /);
});

test("rmi --no-prune removes the image", async () => {
  await engine.ok("tag", "small", "twice");
  assertMatch(await engine.ok("rmi", "--no-prune", "twice"), /^Untagged: twice:latest/);
});

test("attach --no-stdin passes nothing in, and output out", async () => {
  const script = "read x; echo $x";
  await engine.ok("create", "--name", "deaf", "-i", ...NONE, "small", "sh", "-c", script);
  await engine.ok("start", "deaf");
  const client = engine.spawn(["attach", "--no-stdin", "deaf"], { stdin: "piped" });
  const writer = client.stdin.getWriter();
  await writer.write(new TextEncoder().encode("typed\n"));
  await writer.close();
  const events = ["events", "--until", "0s", "-f", "container=deaf", "-f", "event=attach"];
  await waitFor(async () => await engine.ok(...events) !== "");
  const told = engine.with({ stdin: "fed\n" }, "attach", "deaf");
  const output = await client.output();
  assertEquals(new TextDecoder().decode(output.stdout), "fed\n");
  assertEquals((await told).code, 0);
  await engine.ok("rm", "-f", "deaf");
});

for (const [verb, state] of [["stop", "exited"], ["restart", "running"]]) {
  test(`${verb} --time is another word for --timeout, and says so`, async () => {
    await engine.ok("run", "-d", "--name", "old", ...NONE, "small", "sleep", "1000");
    const { code, stderr } = await engine.dd(verb, "--time", "0", "old");
    assertEquals(code, 0);
    assertStringIncludes(stderr, "Flag --time has been deprecated, use --timeout instead");
    assertEquals(await engine.inspect("old", "{{.State.Status}}"), state);
    await engine.ok("rm", "-f", "old");
  });
}

test("system prune --all takes images that no container has", async () => {
  await engine.ok("run", "-d", "--name", "user", ...NONE, "small", "sleep", "1000");
  await engine.ok("import", engine.path("box.tar"), "useless");
  assertStringIncludes(await engine.ok("system", "prune", "-f", "--all"), "untagged: useless");
  assertEquals(await engine.ok("images", "-q", "useless"), "");
  assertMatch(await engine.ok("images", "--format", "{{.Repository}}"), /small/);
  await engine.ok("rm", "-f", "user");
  await waitFor(() => engine.ids().length === 0);
});
