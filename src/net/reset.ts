/**
 * Takes all that an engine's networks have in the kernel away, whatever state their files are in:
 * bridges, interfaces, rules, proxies. The files themselves are the caller's to remove.
 */
import { Netlink } from "../../ffi/netlink.ts";
import { deleteLink } from "../../ffi/rtnetlink.ts";
import { lockFile } from "../../ffi/fd.ts";
import { readApplied } from "./applied.ts";
import { endProxies } from "./attach.ts";
import { removeRules } from "./firewall.ts";
import { locked } from "./lock.ts";
import { bridgeOf, readNetworks } from "./networks.ts";
import { defaultBridgeName, type NetPlaces } from "./places.ts";
import { readStates } from "./state.ts";
import { watchPath } from "./watch.ts";

/** Removes it. The containers have to be gone. */
export async function resetNetworks(places: NetPlaces): Promise<void> {
  await locked(places, async () => {
    const states = readStates(places);
    await endProxies(...states);
    const links = new Set([
      ...states.flatMap(({ endpoints }) => endpoints.map(({ hostLink }) => hostLink)),
      ...readNetworks(places, () => {}).map((network) => bridgeOf(network, places)),
      ...(readApplied(places)?.networks ?? []).map(({ bridge }) => bridge),
      defaultBridgeName(places),
    ]);
    using netlink = Netlink.open();
    netlink.batch([...links].map(deleteLink));
    await removeRules(places);
  });
  // Who watches over rules ends with the containers, and looks once more at what is there.
  lockFile(watchPath(places))[Symbol.dispose]();
}
