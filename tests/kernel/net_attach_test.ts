import { assert, assertEquals, assertRejects } from "@std/assert";
import { Netlink } from "../../ffi/netlink.ts";
import { createNetwork, DEFAULT_OPTIONS, defaultNetwork } from "../../src/net/create_network.ts";
import { listLeases } from "../../src/net/leases.ts";
import { connectLive, disconnectLive } from "../../src/net/live.ts";
import { bridgeOf, findNetwork } from "../../src/net/networks.ts";
import { stateIds } from "../../src/net/state.ts";
import { sweepNetworks } from "../../src/net/sweep.ts";
import {
  ask,
  type Container,
  Host,
  HOST_IP6,
  isRoot,
  OTHER_IP,
  OTHER_IP6,
  Server,
  SILENCE_MS,
} from "./net_host.ts";

const ignore = !isRoot;

Deno.test({
  name: "a container reaches its gateway, its neighbour and another host",
  ignore,
  fn: async () => {
    await using host = new Host();
    const [a, b] = [await host.connect(), await host.connect()];
    const gateway = a.state.endpoints[0].ipv4!.gateway;
    await using _onGateway = new Server(gateway, 7000);
    await using _onNeighbour = await host.within(b.sandbox, () => new Server(b.ip, 7000));
    await using _onOther = await host.within(host.other, () => new Server(OTHER_IP, 7000));
    await host.within(a.sandbox, async () => {
      assertEquals(await ask(gateway, 7000), a.ip);
      assertEquals(await ask(b.ip, 7000), a.ip);
      assertEquals(await ask(OTHER_IP, 7000), "198.51.100.1", "masqueraded");
    });
  },
});

Deno.test({
  name: "a container cannot be reached from another host by its own address",
  ignore,
  fn: async () => {
    await using host = new Host();
    const a = await host.connect();
    await using _server = await host.within(a.sandbox, () => new Server(a.ip, 7000));
    assertEquals(await ask(a.ip, 7000), a.state.endpoints[0].ipv4!.gateway, "the host itself may");
    assertEquals(await host.within(host.other, () => ask(a.ip, 7000, SILENCE_MS)), "timeout");
  },
});

Deno.test({
  name: "a network has its walls also if a port was published since it was made",
  ignore,
  fn: async () => {
    await using host = new Host();
    using _before = await host.connect({
      portBindings: { "80/tcp": [{ HostIp: "", HostPort: "8080" }] },
    });
    const network = await createNetwork(host.places, { ...DEFAULT_OPTIONS, name: "later" });
    using _port = await host.connect({
      portBindings: { "80/tcp": [{ HostIp: "", HostPort: "8081" }] },
    });
    using _on = await host.connect({ networks: [{ network: "later" }] });
    const { stdout } = new Deno.Command("iptables-save", { args: ["-t", "filter"] }).outputSync();
    const rules = new TextDecoder().decode(stdout);
    assert(rules.includes(`-o ${bridgeOf(network, host.places)} -j DROP`), rules);
  },
});

Deno.test({
  name: "networks are isolated from one another",
  ignore,
  fn: async () => {
    await using host = new Host();
    for (const name of ["red", "blue"]) {
      await createNetwork(host.places, { ...DEFAULT_OPTIONS, name });
    }
    const red = await host.connect({ networks: [{ network: "red" }] });
    const blue = await host.connect({ networks: [{ network: "blue" }] });
    const both = await host.connect({ networks: [{ network: "red" }, { network: "blue" }] });
    await using _blue = await host.within(blue.sandbox, () => new Server(blue.ip, 7000));
    assertEquals(await host.within(red.sandbox, () => ask(blue.ip, 7000, SILENCE_MS)), "timeout");
    const onBlue = both.state.endpoints[1].ipv4!.ip;
    assertEquals(await host.within(both.sandbox, () => ask(blue.ip, 7000)), onBlue);
  },
});

Deno.test({
  name: "each family goes out by the first network that has it, or by the preferred one",
  ignore,
  fn: async () => {
    await using host = new Host();
    await createNetwork(host.places, { ...DEFAULT_OPTIONS, name: "four" });
    await createNetwork(host.places, { ...DEFAULT_OPTIONS, name: "six", ipv6: true });
    const both = [{ network: "four" }, { network: "six" }];
    const a = await host.connect({ networks: both });
    const b = await host.connect({ networks: [both[0], { ...both[1], gwPriority: 1 }] });
    const wayOut = (of: typeof a) =>
      of.sandbox.netlink.routes().filter(({ prefix }) => prefix === 0)
        .map(({ destination, index }) => `${destination.length} ${linkName(of, index)}`).sort();
    assertEquals(wayOut(a), ["16 eth1", "4 eth0"]);
    assertEquals(wayOut(b), ["16 eth1", "4 eth1"]);
  },
});

function linkName(container: Container, index: number): string | undefined {
  return container.sandbox.netlink.link(index)?.name;
}

Deno.test({
  name: "a container that is taken off all its networks can be put on others",
  ignore,
  fn: async () => {
    await using host = new Host();
    for (const name of ["red", "blue"]) {
      await createNetwork(host.places, { ...DEFAULT_OPTIONS, name });
    }
    const a = await host.connect({ networks: [{ network: "red" }] });
    const wish = { network: "blue" };
    const both = await connectLive(host.places, a.state, wish, a.sandbox);
    const blue = await disconnectLive(
      host.places,
      both,
      findNetwork(host.places, "red"),
      a.sandbox,
    );
    const none = await disconnectLive(
      host.places,
      blue,
      findNetwork(host.places, "blue"),
      a.sandbox,
    );
    assertEquals([none.endpoints, listLeases(host.places)], [[], []]);
    const again = await connectLive(host.places, none, wish, a.sandbox);
    const { ip, gateway } = again.endpoints[0].ipv4!;
    await using _server = new Server(gateway, 7000);
    assertEquals(await host.within(a.sandbox, () => ask(gateway, 7000)), ip);
  },
});

Deno.test({
  name: "the default network gets IPv6 when it is wanted, while containers run on it",
  ignore,
  fn: async () => {
    await using host = new Host();
    const before = await host.connect();
    assertEquals(before.state.endpoints[0].ipv6, undefined);
    await defaultNetwork(host.places, true);
    const after = await host.connect({ portBindings: { "80/tcp": [on8080] } });
    const { ip, gateway } = after.state.endpoints[0].ipv6!;
    await using _server = new Server(gateway, 7000);
    assertEquals(await host.within(after.sandbox, () => ask(gateway, 7000)), ip);
    await using _inside = await host.within(after.sandbox, () => new Server("::", 80));
    assertEquals(await host.within(host.other, () => ask(HOST_IP6, 8080)), OTHER_IP6);
  },
});

const on8080 = { HostIp: "", HostPort: "8080" };

Deno.test({
  name: "an internal network has neighbours and no way out",
  ignore,
  fn: async () => {
    await using host = new Host();
    await createNetwork(host.places, { ...DEFAULT_OPTIONS, name: "inside", internal: true });
    const networks = [{ network: "inside" }];
    const [a, b] = [await host.connect({ networks }), await host.connect({ networks })];
    await using _neighbour = await host.within(b.sandbox, () => new Server(b.ip, 7000));
    await using _other = await host.within(host.other, () => new Server(OTHER_IP, 7000));
    await host.within(a.sandbox, async () => {
      assertEquals(await ask(b.ip, 7000), a.ip);
      assert((await ask(OTHER_IP, 7000)).includes("unreachable"));
    });
  },
});

Deno.test({
  name: "addresses and MAC addresses are as asked, and refused as docker does",
  ignore,
  fn: async () => {
    await using host = new Host();
    await createNetwork(host.places, {
      ...DEFAULT_OPTIONS,
      name: "six",
      subnets: ["10.77.0.0/24", "fd77::/64"],
      ipv6: true,
    });
    const wish = { network: "six", ipv4: "10.77.0.9", ipv6: "fd77::9", mac: "02:00:00:00:00:99" };
    const a = await host.connect({ networks: [wish] });
    const [endpoint] = a.state.endpoints;
    assertEquals([endpoint.ipv4?.ip, endpoint.ipv6?.ip, endpoint.mac], [
      "10.77.0.9",
      "fd77::9",
      "02:00:00:00:00:99",
    ]);
    assertEquals(Array.from(a.sandbox.netlink.link("eth0")!.mac), [2, 0, 0, 0, 0, 0x99]);
    await using _server = new Server("fd77::1", 7000);
    assertEquals(await host.within(a.sandbox, () => ask("fd77::1", 7000)), "fd77::9");
    await assertRejects(() => host.connect({ networks: [wish] }), Error, "Address already in use");
    await assertRejects(
      () => host.connect({ networks: [{ network: "six", ipv4: "10.78.0.1" }] }),
      Error,
      "no configured subnet or ip-range contain the IP address 10.78.0.1",
    );
    await assertRejects(
      () => host.connect({ networks: [{ network: "bridge", ipv4: "10.212.0.9" }] }),
      Error,
      "user specified IP address is supported on user defined networks only",
    );
    await assertRejects(
      () => host.connect({ networks: [{ network: "nope" }] }),
      Error,
      "network nope not found",
    );
    assertEquals(listLeases(host.places).length, 2, "a refusal leaves no lease behind");
  },
});

Deno.test({
  name: "containers of a user's network know each other's names as they come and go",
  ignore,
  fn: async () => {
    await using host = new Host();
    await createNetwork(host.places, { ...DEFAULT_OPTIONS, name: "app" });
    const web = await host.connect({ name: "web", networks: [{ network: "app" }] });
    const db = await host.connect({
      name: "db",
      networks: [{ network: "app", aliases: ["database"] }],
    });
    const hosts = (container: typeof web) => Deno.readTextFileSync(container.state.hostsPath!);
    assert(hosts(web).includes(`${db.ip}\tdb database `), hosts(web));
    assert(hosts(db).includes(`${web.ip}\tweb `), hosts(db));
    assert(hosts(web).startsWith("127.0.0.1\tlocalhost\n"));
    await host.end(db);
    assert(!hosts(web).includes("database"), hosts(web));
  },
});

Deno.test({
  name: "sweepNetworks() leaves nothing of containers whose client was killed",
  ignore,
  fn: async () => {
    await using host = new Host();
    const alive = await host.connect();
    const dead = await host.connect({
      portBindings: { "80/tcp": [{ HostIp: "", HostPort: "8080" }] },
    });
    // As after kill -9: the owner is a process that is gone, the namespace has no holder.
    const path = `${host.places.run}/containers/${dead.state.owner.id}.json`;
    const owner = { ...dead.state.owner, startTime: "1" };
    Deno.writeTextFileSync(path, JSON.stringify({ ...dead.state, owner }));
    const lease = `${host.places.run}/leases/${
      dead.state.endpoints[0].networkId.slice(0, 12)
    }/${dead.ip}`;
    Deno.removeSync(lease);
    Deno.symlinkSync(`${owner.id}:${owner.pid}:1`, lease);
    dead[Symbol.dispose]();
    const isLive = (id: string) => id === alive.state.owner.id;
    assertEquals(await sweepNetworks(host.places, isLive), 1);
    assertEquals(stateIds(host.places), [alive.state.owner.id]);
    assertEquals(listLeases(host.places).map((l) => l.address), [alive.ip]);
    const rules = new Deno.Command("iptables-save").outputSync();
    assert(!new TextDecoder().decode(rules.stdout).includes(dead.ip));
    using netlink = Netlink.open();
    const link = netlink.link(dead.state.endpoints[0].hostLink);
    assert(link === undefined || !link.up);
  },
});
