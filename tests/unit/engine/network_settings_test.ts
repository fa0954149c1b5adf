import { assertEquals } from "@std/assert";
import { emptyNetworkSettings, withNetworks } from "../../../src/engine/network_settings.ts";
import type { ContainerRecord } from "../../../src/engine/types.ts";
import type { EndpointState, NetworkState } from "../../../src/net/state.ts";

function endpoint(network: string, internal: boolean): EndpointState {
  return {
    network,
    networkId: network.repeat(8),
    endpointId: "e",
    bridge: `dd-${network}`,
    internal,
    hostLink: "l",
    ifname: "eth0",
    mac: "02:42:0a:00:00:02",
    ipv4: { ip: "10.0.0.2", prefix: 24, gateway: internal ? "" : "10.0.0.1" },
    gwPriority: 0,
    aliases: [],
    links: [],
    dnsNames: [],
  };
}

const CASES: [name: string, internals: boolean[], want: Record<string, null>][] = [
  ["a network", [false], { "80/tcp": null }],
  ["an internal network, nothing", [true], {}],
  ["an internal network and another one", [true, false], { "80/tcp": null }],
];
for (const [name, internals, want] of CASES) {
  Deno.test(`withNetworks() shows of the exposed ports on ${name}`, () => {
    const state: NetworkState = {
      owner: { id: "c", pid: 1, startTime: "1" },
      name: "c",
      hostname: "c",
      endpoints: internals.map((internal, i) => endpoint(`n${i}`, internal)),
      exposed: ["80/tcp"],
      ports: [],
      proxied: false,
      proxies: [],
    };
    const record = { NetworkSettings: emptyNetworkSettings() } as ContainerRecord;
    assertEquals(withNetworks(record, state).NetworkSettings.Ports, want);
  });
}
