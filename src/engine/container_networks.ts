/** Networks and published ports of a container that is there already. */
import { UserError } from "../base/errors.ts";
import { resolveNetwork } from "../net/attach.ts";
import type { EndpointRequest } from "../net/endpoint.ts";
import { connectLive, disconnectLive, publishAdd, publishRemove, renameLive } from "../net/live.ts";
import { findNetwork, type NetworkRecord } from "../net/networks.ts";
import { joinSandbox } from "../net/sandbox.ts";
import { type NetworkState, readState } from "../net/state.ts";
import { lockContainer, readRecord, resolveContainer, writeRecord } from "./containers.ts";
import { emitEvent } from "./events.ts";
import { joinedContainer } from "./modes.ts";
import { endpointRequest, places } from "./network.ts";
import { networkSettings } from "./network_settings.ts";
import { stateOf } from "./state.ts";
import type { ContainerRecord, EndpointSettings, PortMap } from "./types.ts";

function emit(network: NetworkRecord, action: string, record: ContainerRecord): void {
  const attributes = { container: record.Id, name: network.Name, type: network.Driver };
  emitEvent({ Type: "network", Action: action, id: network.Id, attributes });
}

/** The record with what the running container has now. */
function withSettings(
  record: ContainerRecord,
  state: NetworkState,
  asked: Record<string, EndpointSettings>,
  pid: number,
): ContainerRecord {
  return { ...record, NetworkSettings: networkSettings(state, asked, pid) };
}

/** The network a record's key means: keys are as the user typed them. */
function keyOf(record: ContainerRecord, network: NetworkRecord): string | undefined {
  const keys = Object.keys(record.NetworkSettings.Networks);
  return keys.find((key) =>
    key === network.Name || key === network.Id ||
    (key === "default" && network.Name === "bridge")
  );
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
  const network = await resolveNetwork(places(), reference);
  const id = resolveContainer(container);
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
    const next = await connectLive(places(), state, request, sandbox);
    writeRecord(withSettings(record, next, asked, running.run.pid));
  }
  emit(network, "connect", record);
}

/** Takes a container off a network. `force`: no matter if it is not on it. */
export async function disconnectNetwork(
  reference: string,
  container: string,
  force: boolean,
): Promise<void> {
  const network = findNetwork(places(), reference);
  const id = resolveContainer(container);
  using _lock = lockContainer(id);
  const record = readRecord(id);
  const key = keyOf(record, network);
  if (key === undefined) {
    if (force) return;
    throw new UserError(`container ${id} is not connected to network ${network.Name}`);
  }
  if (network.Driver !== "bridge") {
    throw new UserError("container cannot be disconnected from host network");
  }
  const { [key]: _gone, ...asked } = record.NetworkSettings.Networks;
  const state = readState(places(), id);
  const running = stateOf(id);
  if (running.kind !== "running" || state === undefined) {
    writeRecord({ ...record, NetworkSettings: { ...record.NetworkSettings, Networks: asked } });
  } else {
    using sandbox = joinSandbox(running.run.pid);
    const next = await disconnectLive(places(), state, network.Id, sandbox);
    writeRecord(withSettings(record, next, asked, running.run.pid));
  }
  emit(network, "disconnect", record);
}

/** Lets neighbours find a running container under its new name. The lock is held. */
export async function renameOnNetworks(record: ContainerRecord, name: string): Promise<void> {
  const state = readState(places(), record.Id);
  if (state === undefined) return;
  const next = await renameLive(places(), state, name);
  const running = stateOf(record.Id);
  if (running.kind !== "running") return;
  const current = readRecord(record.Id);
  writeRecord(withSettings(current, next, current.NetworkSettings.Networks, running.run.pid));
}

/** `bindings` without the host ports that `wishes` name, and with those of `add`. */
export function changeBindings(
  bindings: PortMap,
  add: PortMap,
  wishes: readonly string[],
): PortMap {
  const next: PortMap = {};
  for (const [key, list] of [...Object.entries(bindings), ...Object.entries(add)]) {
    next[key] = [...(next[key] ?? []), ...(list ?? [])];
  }
  for (const wish of wishes) {
    const [, ip, port, protocol = "tcp"] = /^(?:(.*):)?(\d+)(?:\/(\w+))?$/.exec(wish) ?? [];
    for (const key of Object.keys(next)) {
      if (!key.endsWith(`/${protocol}`)) continue;
      const rest = (next[key] ?? []).filter((binding) =>
        binding.HostPort !== port || (ip !== undefined && binding.HostIp !== ip)
      );
      if (rest.length > 0) next[key] = rest;
      else delete next[key];
    }
  }
  return next;
}

/**
 * `update --publish-add` and `--publish-rm`: changes the ports of a container, at once if it
 * runs, and for its next starts. Returns the changed record, which is written. The lock is held.
 */
export async function changePublished(
  record: ContainerRecord,
  add: PortMap,
  remove: readonly string[],
): Promise<ContainerRecord> {
  const mode = record.HostConfig.NetworkMode;
  if (mode === "host" || mode === "none" || joinedContainer(mode) !== undefined) {
    throw new UserError(`conflicting options: port publishing and the network mode ${mode}`);
  }
  const PortBindings = changeBindings(record.HostConfig.PortBindings, add, remove);
  let next: ContainerRecord = { ...record, HostConfig: { ...record.HostConfig, PortBindings } };
  const running = stateOf(record.Id);
  let state = readState(places(), record.Id);
  if (running.kind === "running" && state !== undefined) {
    const { pid, monitorPid } = running.run;
    if (remove.length > 0) state = await publishRemove(places(), state, remove, monitorPid);
    if (Object.keys(add).length > 0) state = await publishAdd(places(), state, add, pid);
    next = withSettings(next, state, record.NetworkSettings.Networks, pid);
  }
  writeRecord(next);
  return next;
}
