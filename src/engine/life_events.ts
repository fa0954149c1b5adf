/**
 * What a start and an end mean for others than the container: docker tells of its networks and
 * volumes too. Each group is one write.
 */
import { constantNetworkId } from "../net/predefined.ts";
import { containerEvent, emitEvents, type NewEvent } from "./events.ts";
import type { ContainerRecord } from "./types.ts";

/** Tells that a container has started; `attached`: its client stays with it. */
export function emitStarted(record: ContainerRecord, attached: boolean): void {
  emitEvents([
    ...(attached ? [containerEvent(record, "attach")] : []),
    ...networkEvents(record, "connect"),
    ...volumeMounts(record).map((mount): NewEvent => ({
      Type: "volume",
      Action: "mount",
      id: mount.Name!,
      attributes: {
        container: record.Id,
        destination: mount.Destination,
        driver: mount.Driver ?? "local",
        propagation: mount.Propagation ?? "",
        "read/write": String(mount.RW),
      },
    })),
    containerEvent(record, "start"),
  ]);
}

/** Tells that a container has ended. `record`: with the networks of the run that is over. */
export function emitDied(record: ContainerRecord, exitCode: number): void {
  emitEvents([
    containerEvent(record, "die", { exitCode: String(exitCode) }),
    ...networkEvents(record, "disconnect"),
    ...volumeMounts(record).map((mount): NewEvent => ({
      Type: "volume",
      Action: "unmount",
      id: mount.Name!,
      attributes: { container: record.Id, driver: mount.Driver ?? "local" },
    })),
  ]);
}

function volumeMounts({ Mounts }: ContainerRecord): ContainerRecord["Mounts"] {
  return Mounts.filter(({ Type, Name }) => Type === "volume" && Name !== undefined);
}

const TYPES: Readonly<Record<string, string>> = { host: "host", none: "null" };

function networkEvents(record: ContainerRecord, action: string): NewEvent[] {
  const mode = record.HostConfig.NetworkMode;
  if (mode === "host" || mode === "none") {
    return [networkEvent(record, action, mode, constantNetworkId(mode))];
  }
  const networks = Object.entries(record.NetworkSettings.Networks);
  return networks.filter(([, { NetworkID }]) => NetworkID !== "").map(([name, { NetworkID }]) =>
    networkEvent(record, action, name, NetworkID)
  );
}

function networkEvent(record: ContainerRecord, Action: string, name: string, id: string): NewEvent {
  const attributes = { container: record.Id, name, type: TYPES[name] ?? "bridge" };
  return { Type: "network", Action, id, attributes };
}
