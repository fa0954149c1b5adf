/** Networks and published ports of a container that is there already. */
import { UserError } from "../base/errors.ts";
import { resolveNetwork } from "../net/attach.ts";
import type { EndpointRequest } from "../net/endpoint.ts";
import { connectLive, disconnectLive } from "../net/live.ts";
import { lostNetwork } from "../net/lost_network.ts";
import { findNetwork, type NetworkRecord, readNetwork } from "../net/networks.ts";
import type { HostPort } from "../net/ports.ts";
import { changePorts } from "../net/publish_live.ts";
import { means, meansAddress, parseRemoval, type Removal } from "../net/removal.ts";
import { joinSandbox } from "../net/sandbox.ts";
import { type NetworkState, readState } from "../net/state.ts";
import { lockContainer, readRecord, resolveContainer, writeRecord } from "./containers.ts";
import { emitEvent } from "./events.ts";
import { leaveUnit } from "./leave_unit.ts";
import { joinedContainer } from "./modes.ts";
import { endpointRequest, places, watchRules } from "./network.ts";
import { withNetworks } from "./network_settings.ts";
import { stateOf } from "./state.ts";
import type { ContainerRecord, EndpointSettings, PortMap } from "./types.ts";

function emit(network: NetworkRecord, action: string, record: ContainerRecord): void {
  const attributes = { container: record.Id, name: network.Name, type: network.Driver };
  emitEvent({ Type: "network", Action: action, id: network.Id, attributes });
}

/** The key of a network in a record, which is as the user typed it until the first start. */
function keyOf(record: ContainerRecord, network: NetworkRecord): string | undefined {
  const keys = Object.keys(record.NetworkSettings.Networks);
  if (keys.includes(network.Name)) return network.Name;
  return keys.find((key) => network.Id.startsWith(key) && readNetwork(places(), key) === undefined);
}

/** Whether a running container has an interface on a network, whatever its record says. */
function isOn(state: NetworkState, network: Pick<NetworkRecord, "Id">): boolean {
  return state.endpoints.some(({ networkId }) => networkId === network.Id);
}

function checkMode(record: ContainerRecord): void {
  const mode = record.HostConfig.NetworkMode;
  if (joinedContainer(mode) !== undefined) {
    throw new UserError(
      "container sharing network namespace with another container or host cannot be connected " +
        "to any other network",
    );
  }
  if (mode === "host") {
    throw new UserError("container cannot be connected to host network: it has it already");
  }
  if (mode === "none") {
    throw new UserError(
      "container cannot be connected to multiple networks with one of the networks in private " +
        "(none) mode",
    );
  }
}

/** Connects a container to one more network, at once if it runs. Throws UserError. */
export async function connectNetwork(
  reference: string,
  container: string,
  wish: EndpointSettings,
): Promise<void> {
  const id = resolveContainer(container);
  const network = await resolveNetwork(places(), reference);
  using _lock = lockContainer(id);
  const record = readRecord(id);
  checkMode(record);
  if (network.Driver !== "bridge") {
    throw new UserError(`container cannot be connected to ${network.Name} network`);
  }
  if (keyOf(record, network) !== undefined) {
    throw new UserError(
      `endpoint with name ${record.Name.slice(1)} already exists in network ${network.Name}`,
    );
  }
  const asked = { ...record.NetworkSettings.Networks, [network.Name]: wish };
  const state = readState(places(), id);
  const running = stateOf(id);
  if (running.kind !== "running" || state === undefined) {
    const NetworkSettings = { ...record.NetworkSettings, Networks: asked };
    writeRecord({ ...record, NetworkSettings });
  } else {
    using sandbox = joinSandbox(running.run.pid);
    const request: EndpointRequest = endpointRequest(network.Name, wish);
    // A connect that was killed before the record told of it.
    const isHalf = isOn(state, network);
    const whole = isHalf ? await disconnectLive(places(), state, network, sandbox) : state;
    const next = await connectLive(places(), whole, request, sandbox);
    writeRecord(withNetworks(record, next, asked));
  }
  emit(network, "connect", record);
}

/** A network of a container; its record may be lost, and the container is to get rid of it. */
function networkOf(record: ContainerRecord, reference: string): NetworkRecord {
  try {
    return findNetwork(places(), reference);
  } catch (error) {
    const has = Object.hasOwn(record.NetworkSettings.Networks, reference);
    if (!has || !(error instanceof UserError)) throw error;
    return lostNetwork(places(), reference);
  }
}

/** Takes a container off a network. `force`: no matter if it is not on it. */
export async function disconnectNetwork(
  reference: string,
  container: string,
  force: boolean,
): Promise<void> {
  const id = resolveContainer(container);
  using _lock = lockContainer(id);
  const record = readRecord(id);
  const network = networkOf(record, reference);
  const key = keyOf(record, network);
  const state = readState(places(), id);
  const running = stateOf(id);
  const isLive = running.kind === "running" && state !== undefined;
  if (key === undefined && !(isLive && isOn(state, network))) {
    if (force) return;
    throw new UserError(`container ${id} is not connected to network ${network.Name}`);
  }
  if (network.Driver !== "bridge") {
    throw new UserError("container cannot be disconnected from host network");
  }
  const { [key ?? ""]: _gone, ...asked } = record.NetworkSettings.Networks;
  if (!isLive) {
    writeRecord({ ...record, NetworkSettings: { ...record.NetworkSettings, Networks: asked } });
  } else {
    using sandbox = joinSandbox(running.run.pid);
    // Not on it: a disconnect was killed before the record told of it.
    const next = isOn(state, network)
      ? await disconnectLive(places(), state, network, sandbox)
      : state;
    writeRecord(withNetworks(record, next, asked));
  }
  emit(network, "disconnect", record);
}

/** Is the host's side of a binding `port`, or can it be ("", "0", "8000-8010")? */
function leadsTo(hostPort: string, port: number): "exactly" | "perhaps" | "never" {
  if (hostPort === String(port)) return "exactly";
  const [first, last = first] = hostPort.split("-").map(Number);
  return !first || (first <= port && port <= last) ? "perhaps" : "never";
}

/** The binding that a removal is about: its key and its place there. */
function findBinding(
  bindings: PortMap,
  removal: Removal,
  isLive: boolean,
): [key: string, index: number] | undefined {
  for (const wanted of isLive ? ["exactly", "perhaps"] : ["exactly"]) {
    for (const [key, list] of Object.entries(bindings)) {
      if (!key.endsWith(`/${removal.protocol}`)) continue;
      const index = (list ?? []).findIndex(({ HostIp, HostPort }) =>
        leadsTo(HostPort, removal.port) === wanted && meansAddress(removal, HostIp)
      );
      if (index >= 0) return [key, index];
    }
  }
  return undefined;
}

/**
 * `bindings` without what `removals` mean, and with those of `add`. `live`: the ports that the
 * container has now, whose numbers may have been chosen for it. Throws UserError for a port that
 * is not published. Pure.
 */
export function changeBindings(
  bindings: PortMap,
  add: PortMap,
  removals: readonly Removal[],
  live: readonly HostPort[] = [],
): PortMap {
  const next: PortMap = Object.fromEntries(
    Object.entries(bindings).map(([key, list]) => [key, [...(list ?? [])]]),
  );
  for (const removal of removals) {
    const isLive = live.some((port) => means(removal, port));
    let found = findBinding(next, removal, isLive);
    if (found === undefined && !isLive) {
      throw new UserError(`Cannot take back port "${removal.text}": it is not published`);
    }
    for (; found !== undefined; found = findBinding(next, removal, false)) {
      next[found[0]]!.splice(found[1], 1);
    }
  }
  for (const [key, list] of Object.entries(add)) next[key] = [...(next[key] ?? []), ...list ?? []];
  return Object.fromEntries(Object.entries(next).filter(([, list]) => list!.length > 0));
}

/**
 * `update --publish-add` and `--publish-rm`: changes the ports of a container, at once if it
 * runs, and for its next starts. Returns the changed record, which is written. The lock is held.
 * Throws UserError; then nothing has changed.
 */
export async function changePublished(
  record: ContainerRecord,
  add: PortMap,
  remove: readonly string[],
): Promise<ContainerRecord> {
  const { NetworkMode: mode, Diplodock } = record.HostConfig;
  if (mode === "host" || mode === "none" || joinedContainer(mode) !== undefined) {
    throw new UserError(`conflicting options: port publishing and the network mode ${mode}`);
  }
  const running = stateOf(record.Id);
  const state = running.kind === "running" ? readState(places(), record.Id) : undefined;
  const removals = remove.map(parseRemoval);
  const PortBindings = changeBindings(
    record.HostConfig.PortBindings,
    add,
    removals,
    state?.ports,
  );
  let next: ContainerRecord = { ...record, HostConfig: { ...record.HostConfig, PortBindings } };
  if (running.kind === "running" && state !== undefined) {
    await leaveUnit();
    const { pid, monitorPid: holder } = running.run;
    const change = { add, remove: removals, pid, holder, userlandProxy: Diplodock?.UserlandProxy };
    const changed = await changePorts(places(), state, change);
    next = withNetworks(next, changed);
    await watchRules();
  }
  writeRecord(next);
  return next;
}
