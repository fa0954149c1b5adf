/**
 * Published ports as other hosts see them: two network namespaces on cables, with curl and nc as
 * their clients.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Netlink } from "../../ffi/netlink.ts";
import { addAddress, addVeth, defaultRoute, linkUp } from "../../ffi/rtnetlink.ts";
import { parseIp } from "../../src/net/address.ts";
import { createSandbox, type Sandbox } from "../../src/net/sandbox.ts";
import { Engine, waitFor } from "../lib/engine.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";

enterTestNetwork();
const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const MEGABYTES = 300;

/** Another host, on a cable of its own. */
interface Neighbour {
  readonly sandbox: Sandbox;
  readonly ip: string;
  readonly ip6: string;
  /** This machine's addresses on the cable. */
  readonly us: string;
  readonly us6: string;
}

function cable(number: number): Neighbour {
  const sandbox = createSandbox();
  const name = `cable${number}`;
  const [us, ip] = [1, 2].map((host) => `198.51.${100 + number}.${host}`);
  const [us6, ip6] = [1, 2].map((host) => `fd00:51:${number}::${host}`);
  using netlink = Netlink.open();
  const peerNamespace = sandbox.netns.raw;
  netlink.batch([addVeth({ host: { name }, peer: { name }, peerNamespace })]);
  const ends = [[netlink, us, us6], [sandbox.netlink, ip, ip6]] as const;
  for (const [side, ipv4, ipv6] of ends) {
    const { index } = side.link(name)!;
    side.batch([
      addAddress(index, parseIp(ipv4)!, 24),
      addAddress(index, parseIp(ipv6)!, 64),
      linkUp(index),
    ]);
  }
  // So that what is not answered is lost in the firewall, not for want of a route.
  const { index } = sandbox.netlink.link(name)!;
  const routes = [us, us6].map((gateway) => defaultRoute(index, parseIp(gateway)!));
  sandbox.netlink.batch(routes);
  return { sandbox, ip, ip6, us, us6 };
}

/** Runs a shell command on another host; its output, also when it fails. */
async function on(host: Neighbour, script: string): Promise<string> {
  const netns = `--net=/proc/${Deno.pid}/fd/${host.sandbox.netns.raw}`;
  const child = new Deno.Command("nsenter", { args: [netns, "sh", "-c", script], stdin: "null" });
  return new TextDecoder().decode((await child.output()).stdout).trim();
}

/** Waits until a command on another host says so. */
async function heard(host: Neighbour, script: string, says: string): Promise<void> {
  let last = "";
  await waitFor(async () => (last = await on(host, script)) === says)
    .catch(() => assertEquals(last, says));
}

const fetch = (address: string, port: number, path = "") =>
  `curl --silent --max-time 3 'http://${
    address.includes(":") ? `[${address}]` : address
  }:${port}/${path}'`;
const datagram = (address: string, port: number) => `echo hello | nc -u -w 1 ${address} ${port}`;

/** Tells each client of TCP (in HTTP) and of UDP the address it comes from. */
const tell = (address: string) => `
  use IO::Socket::IP;
  if (!fork) {
    my $udp = IO::Socket::IP->new(LocalHost => "${address}", LocalPort => 53, Proto => "udp", V6Only => 0);
    while (1) { $udp->recv(my $x, 999); $udp->send("udp " . $udp->peerhost) }
  }
  my $tcp = IO::Socket::IP->new(LocalHost => "${address}", LocalPort => 80, Listen => 9, V6Only => 0);
  while (my $client = $tcp->accept) {
    $client->recv(my $x, 9999);
    print $client "HTTP/1.0 200 OK\\r\\n\\r\\ntcp " . $client->peerhost;
    close $client
  }`;

const ready = isRoot() && ["curl", "nc", "perl", "nsenter"].every(hasProgram);

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(ready, "needs root, curl, nc, perl and nsenter"), fn });
}

test("other hosts reach published ports by TCP and UDP, and keep their addresses", async () => {
  const hosts = [cable(1), cable(2)];
  await engine.ok("network", "create", "--ipv6", "six");
  const ports = ["-p", "8080:80", "-p", "8053:53/udp", "-p", "127.0.0.1:8081:80"];
  const one = ["-p", `${hosts[0].us}:8082:80`];
  const run = ["run", "-d", "--name", "tell", "--network", "six", ...ports, ...one];
  await engine.ok(...run, "host", "perl", "-e", tell("::"));
  const mapped = (ip: string) => `::ffff:${ip}`;
  for (const host of hosts) {
    await heard(host, fetch(host.us, 8080), `tcp ${mapped(host.ip)}`);
    await heard(host, fetch(host.us6, 8080), `tcp ${host.ip6}`);
    await heard(host, datagram(host.us, 8053), `udp ${mapped(host.ip)}`);
    assertEquals(await on(host, fetch(host.us, 8081)), "", "it is for this machine alone");
  }
  await heard(hosts[0], fetch(hosts[0].us, 8082), `tcp ${mapped(hosts[0].ip)}`);
  assertEquals(await on(hosts[1], fetch(hosts[1].us, 8082)), "");
  const address = "{{.NetworkSettings.Networks.six.IPAddress}}";
  const inside = await engine.inspect("tell", address);
  assertEquals(await on(hosts[0], fetch(inside, 80)), "", "not by the container's own address");
  await engine.ok("rm", "-f", "tell");
  assertEquals(await on(hosts[0], fetch(hosts[0].us, 8080)), "");
  await engine.ok("network", "rm", "six");
  for (const { sandbox } of hosts) sandbox[Symbol.dispose]();
});

test("other hosts reach a port by the proxy, where the user wants one", async () => {
  const host = cable(3);
  const ports = ["--userland-proxy", "-p", "8080:80", "-p", "8053:53/udp"];
  await engine.ok("run", "-d", "--name", "tell", ...ports, "host", "perl", "-e", tell("0.0.0.0"));
  const gateway = await engine.inspect("tell", "{{.NetworkSettings.Gateway}}");
  await heard(host, fetch(host.us, 8080), `tcp ${gateway}`);
  await heard(host, fetch(host.us6, 8080), `tcp ${gateway}`);
  await heard(host, datagram(host.us, 8053), `udp ${gateway}`);
  await heard(host, datagram(host.us6, 8053), `udp ${gateway}`);
  const rules = new TextDecoder().decode(new Deno.Command("iptables-save").outputSync().stdout);
  assert(!rules.includes("-j DNAT"), rules);
  await engine.ok("rm", "-f", "tell");
  host.sandbox[Symbol.dispose]();
});

test(`${MEGABYTES} MB come whole through a published port, by rules and by the proxy`, async () => {
  const host = cable(4);
  const folder = engine.path("served");
  Deno.mkdirSync(folder);
  const block = new Uint8Array(1 << 20);
  for (let at = 0; at < block.length; at += 65_536) {
    crypto.getRandomValues(block.subarray(at, at + 65_536));
  }
  using file = Deno.openSync(`${folder}/file`, { write: true, create: true });
  for (let i = 0; i < MEGABYTES; i++) {
    new DataView(block.buffer).setUint32(0, i); // no two the same
    file.writeSync(block.subarray(0, 1_000_000));
  }
  const sum = new Deno.Command("sha256sum", { args: [`${folder}/file`] }).outputSync();
  const [want] = new TextDecoder().decode(sum.stdout).split(" ");
  assertMatch(want, /^[0-9a-f]{64}$/);
  for (const way of [[], ["--userland-proxy"]]) {
    const run = ["run", "-d", "--name", "files", ...way, "-p", "8080:80", "-v", `${folder}:/srv`];
    await engine.ok(...run, "host", "busybox", "httpd", "-f", "-p", "80", "-h", "/srv");
    await waitFor(async () => (await on(host, `${fetch(host.us, 8080, "none")} -I`)) !== "");
    const url = `http://${host.us}:8080/file`;
    const got = await on(host, `curl --silent --fail '${url}' | sha256sum`);
    assertEquals(got.split(" ")[0], want, way.join(" "));
    await engine.ok("rm", "-f", "files");
  }
  Deno.removeSync(folder, { recursive: true });
  host.sandbox[Symbol.dispose]();
});
