/** Published ports as lists: for `ps`, `port` and filters. Pure. */
import type { PortMap } from "./types.ts";

/** One port of a container; without `hostPort` it is exposed only. */
export interface PortRow {
  readonly port: number;
  readonly protocol: string;
  readonly hostIp?: string;
  readonly hostPort?: number;
}

/** All ports of a map, by port, address, host port and protocol, as docker sorts them. */
export function portRows(ports: PortMap): PortRow[] {
  const rows = Object.entries(ports).flatMap(([key, bindings]): PortRow[] => {
    const [port, protocol = "tcp"] = key.split("/");
    const base = { port: Number(port), protocol };
    if (bindings === null || bindings.length === 0) return [base];
    return bindings.map(({ HostIp, HostPort }) => ({
      ...base,
      hostIp: HostIp || "0.0.0.0",
      hostPort: Number(HostPort),
    }));
  });
  return rows.sort((a, b) =>
    a.port - b.port || compare(a.hostIp ?? "", b.hostIp ?? "") ||
    (a.hostPort ?? 0) - (b.hostPort ?? 0) || compare(a.protocol, b.protocol)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Go's net.JoinHostPort: IPv6 addresses get brackets. */
export function joinHostPort(host: string, port: string | number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * The PORTS column: neighbours with the same address become a range if each is published under
 * its own number; docker/cli, formatter.DisplayablePorts.
 */
export function portsText(ports: PortMap): string {
  const groups = new Map<string, { ip: string; type: string; first: number; last: number }>();
  const ranges: string[] = [];
  const others: string[] = [];
  for (const { port, protocol, hostIp = "", hostPort } of portRows(ports)) {
    if (hostIp !== "" && hostPort !== port) {
      others.push(`${joinHostPort(hostIp, hostPort!)}->${port}/${protocol}`);
      continue;
    }
    const key = `${hostIp}/${protocol}`;
    const group = groups.get(key);
    if (group?.last === port - 1) {
      group.last = port;
      continue;
    }
    if (group !== undefined) ranges.push(rangeText(group));
    // A key keeps its place: docker prints the last group of each in the order of first sight.
    groups.set(key, { ip: hostIp, type: protocol, first: port, last: port });
  }
  return [...ranges, ...Array.from(groups.values(), rangeText), ...others].join(", ");
}

function rangeText(
  { ip, type, first, last }: { ip: string; type: string; first: number; last: number },
): string {
  const range = first === last ? String(first) : `${first}-${last}`;
  return ip === "" ? `${range}/${type}` : `${joinHostPort(ip, range)}->${range}/${type}`;
}
