import dgram from "node:dgram";
import { once } from "node:events";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { joinSandbox } from "../../src/net/sandbox.ts";
import { createNetwork, DEFAULT_OPTIONS } from "../../src/net/create_network.ts";
import { removeRules } from "../../src/net/firewall.ts";
import { changePorts, type PortChange } from "../../src/net/publish_live.ts";
import { parseRemoval } from "../../src/net/removal.ts";
import { type NetworkState, readState } from "../../src/net/state.ts";
import { repairNetworks } from "../../src/net/sweep.ts";
import {
  ask,
  type Container,
  hasProgram,
  Host,
  HOST_IP,
  HOST_IP6,
  isRoot,
  OTHER_IP,
  Server,
  SILENCE_MS,
  withFirewall,
} from "./net_host.ts";

const ignore = !isRoot;
const on = (HostPort: string, HostIp = "") => ({ HostIp, HostPort });

/** From where a published port is asked, and whose address the server then sees. */
async function reached(host: Host, container: Container, neighbour: Container, port: number) {
  return {
    otherHost: await host.within(host.other, () => ask(HOST_IP, port)),
    otherHostIpv6: await host.within(host.other, () => ask(HOST_IP6, port)),
    hostAddress: await ask(HOST_IP, port),
    loopback: await ask("127.0.0.1", port),
    loopbackIpv6: await ask("::1", port),
    itself: await host.within(container.sandbox, () => ask(HOST_IP, port)),
    neighbour: await host.within(neighbour.sandbox, () => ask(HOST_IP, port)),
  };
}

const BACKENDS = [
  ["iptables", "iptables-restore"],
  ["iptables-legacy", "iptables-legacy-restore"],
  ["nft", "nft"],
] as const;
for (const [backend, program] of BACKENDS) {
  Deno.test({
    name: `a published port is reached from everywhere by ${backend}`,
    ignore: ignore || !hasProgram(program),
    fn: () =>
      withFirewall(backend, async () => {
        await using host = new Host();
        const a = await host.connect({ portBindings: { "80/tcp": [on("8080")] } });
        const b = await host.connect();
        await using _server = await host.within(a.sandbox, () => new Server("0.0.0.0", 80));
        const gateway = a.state.endpoints[0].ipv4!.gateway;
        assertEquals(await reached(host, a, b, 8080), {
          otherHost: OTHER_IP, // the client's own address
          otherHostIpv6: gateway, // by the proxy
          hostAddress: HOST_IP,
          loopback: gateway,
          loopbackIpv6: gateway,
          itself: gateway,
          neighbour: gateway,
        });
        await host.end(a);
        assertEquals(await ask("127.0.0.1", 8080), "refused");
      }),
  });
}

Deno.test({
  name: "a published port is reached from everywhere without a firewall",
  ignore,
  fn: () =>
    withFirewall("none", async () => {
      await using host = new Host();
      const a = await host.connect({ portBindings: { "80/tcp": [on("8080")] } });
      const b = await host.connect();
      await using _server = await host.within(a.sandbox, () => new Server("0.0.0.0", 80));
      const seen = await reached(host, a, b, 8080);
      const gateway = a.state.endpoints[0].ipv4!.gateway;
      assertEquals([...new Set(Object.values(seen))], [gateway]);
      assertEquals(a.state.proxied, true);
    }),
});

Deno.test({
  name: "a port of 127.0.0.1 is for this host alone",
  ignore,
  fn: async () => {
    await using host = new Host();
    const a = await host.connect({ portBindings: { "80/tcp": [on("8080", "127.0.0.1")] } });
    await using _server = await host.within(a.sandbox, () => new Server("0.0.0.0", 80));
    assert(await ask("127.0.0.1", 8080) !== "refused");
    assertEquals(await ask(HOST_IP, 8080), "refused");
    assertEquals(await host.within(host.other, () => ask(HOST_IP, 8080)), "refused");
  },
});

Deno.test({
  name: "an IPv6 container keeps the address of its IPv6 clients",
  ignore,
  fn: async () => {
    await using host = new Host();
    await createNetwork(host.places, { ...DEFAULT_OPTIONS, name: "six", ipv6: true });
    const a = await host.connect({
      networks: [{ network: "six" }],
      portBindings: { "80/tcp": [on("8080")] },
    });
    await using _server = await host.within(a.sandbox, () => new Server("::", 80));
    assertEquals(await host.within(host.other, () => ask(HOST_IP6, 8080)), "fd00:51::2");
    assertEquals(await ask("::1", 8080), a.state.endpoints[0].ipv6!.gateway);
  },
});

Deno.test({
  name: "a busy port is refused in docker's words and nothing is left",
  ignore,
  fn: async () => {
    await using host = new Host();
    const a = await host.connect({ portBindings: { "80/tcp": [on("8080")] } });
    const again = { portBindings: { "81/tcp": [on("8080")] } };
    await assertRejects(
      () => host.connect(again),
      Error,
      "Bind for 0.0.0.0:8080 failed: port is already allocated",
    );
    await host.end(a);
    using _busy = Deno.listen({ hostname: "0.0.0.0", port: 8081 });
    await assertRejects(
      () => host.connect({ portBindings: { "80/tcp": [on("8081")] } }),
      Error,
      `failed to bind host port for 0.0.0.0:8081:${a.ip}:80/tcp: address already in use`,
    );
    const free = await host.connect({ portBindings: { "80/tcp": [on("8081-8083")] } });
    assertEquals(free.state.ports[0].hostPort, 8082, "the first free one of a range");
    assertEquals(free.ip, a.ip, "the refused ones gave their lease back");
  },
});

Deno.test({
  name: "random ports are the same number on both families",
  ignore,
  fn: async () => {
    await using host = new Host();
    const a = await host.connect({
      publishAll: true,
      exposed: ["80/tcp", "53/udp"],
      portBindings: { "81/tcp": [on(""), on("0")] },
    });
    const byPort = Map.groupBy(a.state.ports, (port) => `${port.containerPort}/${port.protocol}`);
    assertEquals([...byPort.keys()].sort(), ["53/udp", "80/tcp", "81/tcp"]);
    const [v4, v6] = byPort.get("80/tcp")!;
    assertEquals([v4.hostIp, v6.hostIp, v6.hostPort], ["0.0.0.0", "::", v4.hostPort]);
    assertEquals(new Set(byPort.get("81/tcp")!.map((port) => port.hostPort)).size, 2);
    assert(a.state.ports.every((port) => port.hostPort >= 1024));
  },
});

/** A bound UDP socket of this thread's namespace. */
async function bindUdp(host: string, port: number): Promise<dgram.Socket> {
  const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
  socket.bind(port, host);
  await once(socket, "listening");
  return socket;
}

Deno.test({
  name: "udp goes both ways, by rules and by the proxy",
  ignore,
  fn: async () => {
    await using host = new Host();
    const a = await host.connect({ portBindings: { "53/udp": [on("5353")] } });
    const server = await host.within(a.sandbox, () => bindUdp("0.0.0.0", 53));
    server.on("message", (data, from) => server.send(data, from.port, from.address));
    for (const [local, remote] of [["0.0.0.0", "127.0.0.1"], ["::", "::1"]]) {
      const client = await bindUdp(local, 0);
      for (const text of ["one", "two", "three"]) {
        client.send(text, 5353, remote);
        const [answer] = await once(client, "message", { signal: AbortSignal.timeout(30_000) });
        assertEquals(String(answer), text);
      }
      client.close();
    }
    server.close();
  },
});

/** Changes ports; this process stands for the container and for its monitor. */
function change(
  host: Host,
  state: NetworkState,
  wish: Partial<PortChange>,
): Promise<NetworkState> {
  const all = { add: {}, remove: [], pid: Deno.pid, holder: Deno.pid, ...wish };
  return changePorts(host.places, state, all);
}

Deno.test({
  name: "ports are published and taken back while the container runs",
  ignore,
  fn: async () => {
    await using host = new Host();
    const a = await host.connect();
    const state = await change(host, a.state, { add: { "80/tcp": [on("8080")] } });
    await using _server = await host.within(a.sandbox, () => new Server("0.0.0.0", 80));
    const gateway = a.state.endpoints[0].ipv4!.gateway;
    assertEquals(await ask("127.0.0.1", 8080), gateway);
    assertEquals(await ask("::1", 8080), gateway);
    assertEquals(await host.within(a.sandbox, () => ask(HOST_IP, 8080)), gateway);
    const after = await change(host, state, { remove: [parseRemoval("8080")] });
    assertEquals([after.ports, after.proxies], [[], []]);
    assertEquals(await ask("127.0.0.1", 8080), "refused");
    assertEquals(await ask("::1", 8080), "refused");
  },
});

Deno.test({
  name: "a port that is taken back is refused even while its socket is held",
  ignore,
  fn: async () => {
    await using host = new Host();
    const a = await host.connect({ portBindings: { "80/tcp": [on("8080"), on("8090")] } });
    const after = await change(host, a.state, { remove: [parseRemoval("8080")] });
    assertEquals(after.ports.map((port) => port.hostPort), [8090, 8090]);
    assertEquals(await ask("127.0.0.1", 8080), "refused");
    await using _server = await host.within(a.sandbox, () => new Server("0.0.0.0", 80));
    assertEquals(await ask("127.0.0.1", 8090), a.state.endpoints[0].ipv4!.gateway);
  },
});

Deno.test({
  name: "a published port is led elsewhere in one change, or nothing changes",
  ignore,
  fn: async () => {
    await using host = new Host();
    const ports = { "80/tcp": [on("8080")], "53/udp": [on("8053")] };
    const a = await host.connect({ portBindings: ports });
    await using _server = await host.within(a.sandbox, () => new Server("0.0.0.0", 81));
    const remove = [parseRemoval("8080"), parseRemoval("8053/udp")];
    const add = { "81/tcp": [on("8080")], "54/udp": [on("8053")] };
    await host.connect({ portBindings: { "80/tcp": [on("8099")] } });
    const wish = { remove, add: { ...add, "82/tcp": [on("8099")] } };
    await assertRejects(() => change(host, a.state, wish), Error, "port is already allocated");
    assertEquals(readState(host.places, a.state.owner.id)?.ports, a.state.ports);
    const after = await change(host, a.state, { remove, add });
    assertEquals(after.ports.map((port) => port.containerPort), [81, 81, 54, 54]);
    assertEquals(await ask("127.0.0.1", 8080), a.state.endpoints[0].ipv4!.gateway);
    const other = host.connect({ portBindings: { "80/tcp": [on("8080")] } });
    await assertRejects(() => other, Error, "port is already allocated");
    await change(host, after, { remove });
    assertEquals(await ask("127.0.0.1", 8080), "refused");
  },
});

Deno.test({
  name: "a port that was added is kept from other programs of the host",
  ignore,
  fn: async () => {
    await using host = new Host();
    const a = await host.connect();
    await change(host, a.state, { add: { "80/tcp": [on("8080")], "53/udp": [on("8053")] } });
    const inUse = "Address already in use";
    assertThrows(() => Deno.listen({ hostname: "0.0.0.0", port: 8080 }), Error, inUse);
  },
});

Deno.test({
  name: "repairNetworks() puts back what a firewall reload removed",
  ignore,
  fn: async () => {
    await using host = new Host();
    const a = await host.connect({ portBindings: { "80/tcp": [on("8080", "127.0.0.1")] } });
    await using _server = await host.within(a.sandbox, () => new Server("0.0.0.0", 80));
    const applied = Deno.readTextFileSync(`${host.places.run}/firewall.json`);
    await removeRules(host.places);
    Deno.writeTextFileSync(`${host.places.run}/firewall.json`, applied); // nobody told us
    assertEquals(
      await ask("127.0.0.1", 8080, undefined, SILENCE_MS),
      "closed",
      "by the socket that holds the port",
    );
    const isLive = () => true;
    await repairNetworks(host.places, isLive, () => {});
    assert((await ask("127.0.0.1", 8080)).startsWith("10."));
    const before = new Deno.Command("iptables-save").outputSync().stdout;
    await repairNetworks(host.places, isLive, () => {});
    const rules = (bytes: Uint8Array) =>
      new TextDecoder().decode(bytes).split("\n").filter((line) => line.startsWith("-A"));
    assertEquals(rules(new Deno.Command("iptables-save").outputSync().stdout), rules(before));
  },
});

Deno.test({
  name: "rules that another firewall program gave do not stay beside the new ones",
  ignore: ignore || !hasProgram("iptables-legacy-restore") || !hasProgram("nft"),
  fn: async () => {
    await using host = new Host();
    const legacy = () =>
      new TextDecoder().decode(new Deno.Command("iptables-legacy-save").outputSync().stdout);
    let first: Container | undefined;
    await withFirewall("iptables-legacy", async () => {
      first = await host.connect({ portBindings: { "80/tcp": [on("8080")] } });
    });
    assert(legacy().includes("-j DNAT"), legacy());
    await withFirewall("nft", async () => {
      await host.connect({ portBindings: { "80/tcp": [on("8081")] } });
    });
    assert(!legacy().includes("DIPLODOCK"), legacy());
    await using _server = await host.within(first!.sandbox, () => new Server(first!.ip, 80));
    assertEquals(await host.within(host.other, () => ask(HOST_IP, 8080)), OTHER_IP);
    await withFirewall("nft", () => host.end(first!));
  },
});

Deno.test({
  name: "a large transfer through the proxy arrives whole",
  ignore,
  fn: () =>
    withFirewall("none", async () => {
      await using host = new Host();
      const a = await host.connect({ portBindings: { "80/tcp": [on("8080")] } });
      const block = crypto.getRandomValues(new Uint8Array(1 << 16));
      const listener = await host.within(
        a.sandbox,
        () => Deno.listen({ hostname: "0.0.0.0", port: 80 }),
      );
      const served = (async () => {
        const connection = await listener.accept();
        for (let i = 0; i < 320; i++) await writeAll(connection, block);
        connection.closeWrite();
        const end = await connection.read(new Uint8Array(1));
        connection.close();
        return end;
      })();
      using client = await Deno.connect({ hostname: "127.0.0.1", port: 8080 });
      let count = 0;
      const buffer = new Uint8Array(1 << 17);
      for (;;) {
        const n = await client.read(buffer);
        if (n === null) break;
        for (let i = 0; i < n; i += 997) assertEquals(buffer[i], block[(count + i) % block.length]);
        count += n;
      }
      assertEquals(count, 320 * block.length);
      client.closeWrite(); // the other direction is open until now
      assertEquals(await served, null);
      listener.close();
    }),
});

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

Deno.test({
  name: "joinSandbox() speaks for the namespace of a process",
  ignore,
  fn: () => {
    using sandbox = joinSandbox(Deno.pid);
    assert(sandbox.netlink.link("lo") !== undefined);
  },
});
