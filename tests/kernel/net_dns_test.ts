/** The programs that answer DNS: where they cannot be, when the host's servers change, and after. */
import dgram from "node:dgram";
import { once } from "node:events";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { insn, loadProgram, openBpf } from "../../ffi/bpf.ts";
import { Netlink } from "../../ffi/netlink.ts";
import { deleteLink } from "../../ffi/rtnetlink.ts";
import { addClsact, addProgram } from "../../ffi/traffic_control.ts";
import { createNetwork, DEFAULT_OPTIONS } from "../../src/net/create_network.ts";
import { bridgeOf } from "../../src/net/networks.ts";
import { readDnsError } from "../../src/net/dns.ts";
import { EDITION } from "../../src/net/dns_programs.ts";
import { distributeNames } from "../../src/net/names.ts";
import { refreshResolvers } from "../../src/net/resolv_refresh.ts";
import { createSandbox, type Sandbox } from "../../src/net/sandbox.ts";
import { readState } from "../../src/net/state.ts";
import { DnsServer } from "../lib/dns_server.ts";
import { waitFor } from "../lib/engine.ts";
import { type Container, Host, HOST_IP, isRoot, OTHER_IP, SILENCE_MS } from "./net_host.ts";

const ignore = !isRoot;

/** A container on a network of the user's own, with a resolv.conf of ours. */
async function connect(
  host: Host,
  name: string,
  dns: string[] = [],
  sandbox?: Sandbox,
): Promise<Container> {
  const path = `${host.dir}/${name}.resolv`;
  Deno.writeTextFileSync(path, "");
  const resolvConf = { path, text: "nameserver 192.0.2.1\n", dns, search: [], options: [] };
  return await host.connect({ name, networks: [{ network: "red" }], resolvConf }, sandbox);
}

const query = (name: string) => {
  const labels = name.split(".").flatMap((l) => [l.length, ...new TextEncoder().encode(l)]);
  return new Uint8Array([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
};

/** The last address of the answer in a container, or "silence", or the response code. */
async function ask(
  host: Host,
  { sandbox }: Container,
  name: string,
  limitMs = 30_000,
): Promise<string> {
  return await host.within(sandbox, async () => {
    const socket = dgram.createSocket("udp4");
    try {
      const heard = once(socket, "message");
      socket.send(query(name), 53, "127.0.0.11");
      const timer = new Promise<void>((resolve) => setTimeout(resolve, limitMs));
      const answer = await Promise.race([heard, timer]);
      if (!Array.isArray(answer)) return "silence";
      const [bytes] = answer;
      return bytes[7] === 0 ? `code ${bytes[3] & 15}` : bytes.slice(-4).join(".");
    } finally {
      socket.close();
    }
  });
}

/** The numbers of what the engine has in the kernel. */
const idsOf = (host: Host): Record<string, number> =>
  JSON.parse(Deno.readTextFileSync(`${host.places.run}/dns-${EDITION}.json`));

/** Are they all there? Names are those that the kernel has: see `dns_programs.ts`. */
const isThere = (host: Host, part: string) => {
  const kind = part === "question" || part === "reply" ? "program" : "map";
  const name = `dd${host.places.tag}_${part}`.slice(0, 15);
  using found = openBpf(kind, { id: idsOf(host)[part], name });
  return found !== undefined;
};

Deno.test({
  name: "the programs of DNS are loaded once, know all containers, and end with the network",
  ignore,
  fn: async () => {
    await using host = new Host();
    const network = await createNetwork(host.places, { ...DEFAULT_OPTIONS, name: "red" });
    const a = await connect(host, "a");
    const ids = idsOf(host);
    const b = await connect(host, "b");
    assertEquals(idsOf(host), ids);
    assertEquals(await ask(host, a, "b"), b.ip);
    assertEquals(await ask(host, b, "A.red"), a.ip);
    await host.end(a);
    await distributeNames(host.places, [b.state.endpoints[0].networkId]);
    assertEquals(await ask(host, b, "b"), b.ip);
    const parts = Object.keys(ids);
    await host.end(b);
    using netlink = Netlink.open();
    const c = await connect(host, "c");
    assertEquals(idsOf(host), ids, "the bridge has held them");
    assertEquals(await ask(host, c, "c"), c.ip);
    assertEquals(await ask(host, c, "b.red", SILENCE_MS * 5), "silence");
    await host.end(c);
    assert(parts.every((part) => isThere(host, part)), "they are held");
    netlink.batch([deleteLink(bridgeOf(network, host.places))]);
    await waitFor(() => !parts.some((part) => isThere(host, part)));
    const d = await connect(host, "d");
    assertEquals(await ask(host, d, "d"), d.ip);
  },
});

Deno.test({
  name: "a change of the host's resolvers changes whom the program asks",
  ignore,
  fn: async () => {
    await using host = new Host();
    await createNetwork(host.places, { ...DEFAULT_OPTIONS, name: "red" });
    await using _here = await DnsServer.open(HOST_IP, { "up.test": "192.0.2.7" });
    await using _there = await host.within(
      host.other,
      () => DnsServer.open(OTHER_IP, { "up.test": "192.0.2.8" }),
    );
    const a = await connect(host, "a");
    const fixed = await connect(host, "fixed", [HOST_IP]);
    for (const [ip, answer] of [[HOST_IP, "192.0.2.7"], [OTHER_IP, "192.0.2.8"]]) {
      await refreshResolvers(host.places, `nameserver ${ip}\n`);
      assertEquals(await ask(host, a, "up.test"), answer);
      assertEquals(await ask(host, fixed, "up.test"), "192.0.2.7");
      const text = Deno.readTextFileSync(`${host.dir}/a.resolv`);
      assertMatch(text, new RegExp(`nameserver 127.0.0.11\n[^]*\\[${ip}\\]`));
    }
    // Even where the container wrote its file itself, which then stays.
    Deno.writeTextFileSync(`${host.dir}/a.resolv`, "nameserver 127.0.0.11 # mine\n");
    await refreshResolvers(host.places, `nameserver ${HOST_IP}\n`);
    assertEquals(await ask(host, a, "up.test"), "192.0.2.7");
    assertMatch(Deno.readTextFileSync(`${host.dir}/a.resolv`), /mine/);
  },
});

/** A namespace whose loopback interface has a filter in our filter's place. */
function taken(): Sandbox {
  const sandbox = createSandbox();
  const pass = [insn(0xb7, 0, 0, 0, 0), insn(0x95, 0, 0, 0, 0)];
  using program = loadProgram("load a program", 3, pass);
  const theirs = addProgram({ index: 1, way: "out", programFd: program.raw, name: "theirs" });
  const ETH_P_IP_BE = 0x0008;
  new DataView(theirs.body.buffer).setUint32(16, 1 << 16 | ETH_P_IP_BE, true); // not every protocol
  sandbox.netlink.batch([addClsact(1), theirs]);
  return sandbox;
}

Deno.test({
  name: "where the kernel takes no program a container has the hosts file and its servers",
  ignore,
  fn: async () => {
    await using host = new Host();
    await createNetwork(host.places, { ...DEFAULT_OPTIONS, name: "red" });
    const reasons: [dns: string[], sandbox: Sandbox, reason: RegExp][] = [
      [["2001:db8::1"], createSandbox(), /no DNS server has an IPv4 address/],
      [["127.0.0.1"], createSandbox(), /within the container/],
      [[], taken(), /set a program on an interface/],
    ];
    const b = await connect(host, "b");
    for (const [dns, sandbox, reason] of reasons) {
      const a = await connect(host, "a", dns, sandbox);
      assertMatch(readDnsError(host.places)!, reason);
      assertEquals(Deno.readTextFileSync(`${host.dir}/a.resolv`), "nameserver 192.0.2.1\n");
      assertEquals(readState(host.places, a.state.owner.id)!.dns, undefined);
      assertEquals(await ask(host, b, "a"), a.ip, "others know it");
      await host.end(a);
    }
    await connect(host, "c");
    assertEquals(readDnsError(host.places), undefined);
  },
});
