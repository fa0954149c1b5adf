/** A start of an ordinary user's container that is to reach the outside. */
import type { Fd } from "../../ffi/fd.ts";
import { UserError } from "../base/errors.ts";
import type { NetworkState } from "../net/state.ts";
import { ownedBy } from "../net/owner.ts";
import { holdPorts, wishesOf } from "../net/ports.ts";
import { startProxies } from "../net/proxy.ts";
import type { Sandbox } from "../net/sandbox.ts";
import { endUserNetwork, startUserNetwork, USER_NETWORK } from "../net/user_network.ts";
import { type NetworkPlan, places } from "./network.ts";
import type { ContainerRecord } from "./types.ts";

/** A container that is connected; `held` goes to its monitor. Disposing undoes nothing. */
export interface UserConnection extends Disposable {
  readonly state: NetworkState;
  readonly held: readonly Fd[];
}

/** Refuses what takes a bridge. Throws UserError. */
export function checkUserNetworks({ requests }: NetworkPlan & { kind: "networks" }): void {
  const other = requests.find(({ network }) => network !== "bridge");
  if (other === undefined) return;
  throw new UserError(
    `Cannot connect to network ${other.network}: networks of one's own take bridges, which only ` +
      "root can make; use the default network, --network host, none or container:NAME",
    125,
  );
}

/** Connects a sandbox to the outside and publishes the container's ports. Throws UserError. */
export async function connectUser(
  record: ContainerRecord,
  sandbox: Sandbox,
): Promise<UserConnection> {
  const { HostConfig, Config, Id: id } = record;
  using undo = new DisposableStack();
  const exposed = Object.keys(Config.ExposedPorts ?? {});
  const reach = { ipv4: true, ipv6: false, ipv6ByProxy: () => true };
  const wishes = wishesOf(HostConfig.PortBindings, exposed, HostConfig.PublishAllPorts, reach);
  const ports = undo.use(holdPorts(wishes, () => USER_NETWORK.ip, () => false));
  const published = ports.entries.map(({ port }) => ({ ...port, containerIp: USER_NETWORK.ip }));
  const network = undo.use(await startUserNetwork(places(), id, sandbox));
  undo.defer(() => endUserNetwork(places(), id));
  const proxies = published.length === 0 ? [] : startProxies(ports, published, true, sandbox.netns);
  undo.move();
  const held = [network.held, ...ports.fds];
  return {
    held,
    state: stateOfUser(record, { exposed, ports: published, proxies }),
    [Symbol.dispose]: () => held.forEach((fd) => fd[Symbol.dispose]()),
  };
}

/** Takes what was started for container `id` away; fine when there is nothing. */
export function disconnectUser(id: string): void {
  endUserNetwork(places(), id);
}

function stateOfUser(
  { Id: id, Name, Config }: ContainerRecord,
  more: Pick<NetworkState, "exposed" | "ports" | "proxies">,
): NetworkState {
  const { ip, prefix, gateway, ifname } = USER_NETWORK;
  return {
    owner: ownedBy(id),
    name: Name.slice(1),
    hostname: Config.Hostname,
    endpoints: [{
      network: "bridge",
      networkId: "",
      endpointId: id,
      bridge: "",
      internal: false,
      hostLink: "",
      ifname,
      mac: "",
      ipv4: { ip, prefix, gateway },
      gwPriority: 0,
      aliases: [],
      links: [],
      dnsNames: [],
    }],
    proxied: true,
    ...more,
  };
}
