import { assert, assertEquals } from "@std/assert";
import { neighboursOf } from "../../../src/net/names.ts";
import type { NetworkState } from "../../../src/net/state.ts";

/** A container of network "n" that has the alias "svc" if it is one of those that serve. */
function container(id: string, ip: string, serves: boolean): NetworkState {
  const endpoint = {
    network: "n",
    networkId: "n1",
    endpointId: id,
    bridge: "dd-n1",
    internal: false,
    hostLink: `dd${id}`,
    ifname: "eth0",
    mac: "02:00:00:00:00:01",
    ipv4: { ip, prefix: 16, gateway: "10.0.0.1" },
    gwPriority: 0,
    aliases: serves ? ["svc"] : [],
    links: [],
    dnsNames: serves ? [id, "svc"] : [id],
  };
  return {
    owner: { id, pid: 1, startTime: "1" },
    name: id,
    hostname: id,
    endpoints: [endpoint],
    exposed: [],
    ports: [],
    proxied: false,
    proxies: [],
  };
}

const servers = ["10.0.1.1", "10.0.1.2", "10.0.1.3"].map((ip, i) => container(`s${i}`, ip, true));
const clients = Array.from({ length: 60 }, (_, i) => container(`client${i}`, `10.0.2.${i}`, false));

/** The addresses of "svc" in the order in which a container finds them. */
function found(client: NetworkState, all: readonly NetworkState[]): string[] {
  return neighboursOf(client, all).filter(({ names }) => names.includes("svc"))
    .map(({ ip }) => ip);
}

Deno.test("neighboursOf() gives each client all who share an alias, and the first place to each", () => {
  const firsts = new Map<string, number>();
  for (const client of clients) {
    const [first, ...others] = found(client, [...servers, ...clients]);
    assertEquals(others.length, 2);
    firsts.set(first, (firsts.get(first) ?? 0) + 1);
  }
  const counts = [...firsts.values()];
  assert(counts.length === 3 && counts.every((count) => count >= 10), counts.join(" "));
});

Deno.test("neighboursOf() keeps the order of those who stay", () => {
  for (const client of clients) {
    const before = found(client, [...servers, ...clients]);
    const left = found(client, [...servers.slice(1), ...clients]);
    assertEquals(left, before.filter((ip) => ip !== "10.0.1.1"));
  }
});
