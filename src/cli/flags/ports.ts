/** `-p`, `-P` and `--expose`: published and exposed ports. */
import { parseIp } from "../../base/ip.ts";
import type { PortMap } from "../../engine/types.ts";
import { badFlag, cut } from "./units.ts";

/** First and last port of "80" or "80-82"; undefined where it is neither. */
function parsePortRange(text: string): [first: number, last: number] | undefined {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  return first <= 65535 && last <= 65535 && first <= last ? [first, last] : undefined;
}

/** "80/udp" to its two parts; the protocol is tcp where none is named. */
function splitProtocol(text: string): [port: string, protocol: string] {
  const [port, protocol] = text.split("/");
  return port === "" ? ["", ""] : [port, protocol || "tcp"];
}

/** `published=1,target=2,protocol=udp` as "1:2/udp". */
function fromLongForm(text: string): string {
  const fields: Record<string, string> = { published: "", target: "", protocol: "tcp" };
  for (const field of text.split(",")) {
    const [key, value] = cut(field, "=");
    if (value === undefined || key === "") {
      badFlag(`invalid publish opts format (should be name=value but got '${field}')`);
    }
    fields[key] = value;
  }
  return `${fields.published}:${fields.target}/${fields.protocol}`;
}

/** The address of a port specification, without brackets; checked. */
function parseHostIp(text: string): string {
  if (text.startsWith("[") && !/^\[[^[\]]*\]$/.test(text)) {
    const closed = text.includes("]");
    badFlag(
      `invalid IP address ${text}: address ${text}:: ` +
        (closed ? "missing port in address" : "missing ']' in address"),
    );
  }
  const ip = text.startsWith("[") ? text.slice(1, -1) : text;
  if (ip !== "" && parseIp(ip) === undefined) badFlag(`invalid IP address: ${ip}`);
  return ip;
}

/** One port inside and where the host listens for it. */
interface Publication {
  port: string;
  hostIp: string;
  hostPort: string;
}

/** Parses `[ip:][hostPort]:port[/protocol]`, either port may be a range. */
function parsePublication(text: string): Publication[] {
  const parts = text.split(":");
  const [containerPort, protocol] = splitProtocol(parts.pop()!);
  const hostPort = parts.pop() ?? "";
  const hostIp = parseHostIp(parts.join(":"));
  if (containerPort === "") badFlag(`no port specified: ${text}<empty>`);
  const inside = parsePortRange(containerPort);
  if (inside === undefined) badFlag(`invalid containerPort: ${containerPort}`);
  const outside = hostPort === "" ? undefined : parsePortRange(hostPort);
  if (hostPort !== "" && outside === undefined) badFlag(`invalid hostPort: ${hostPort}`);
  const size = inside[1] - inside[0];
  const sameSize = outside === undefined || outside[1] - outside[0] === size;
  if (!sameSize && size !== 0) {
    badFlag(
      `invalid ranges specified for container and host Ports: ${containerPort} and ${hostPort}`,
    );
  }
  const lower = protocol.toLowerCase();
  if (!["tcp", "udp", "sctp"].includes(lower)) badFlag(`invalid proto: ${protocol}`);
  return Array.from({ length: size + 1 }, (_, i) => ({
    port: `${inside[0] + i}/${lower}`,
    hostIp,
    // A range for one port inside means "the first free one of it".
    hostPort: outside === undefined
      ? ""
      : sameSize
      ? String(outside[0] + i)
      : `${outside[0]}-${outside[1]}`,
  }));
}

/** Parses all `-p`. The bindings of a port keep the order in which they were given. */
export function parsePublish(specs: readonly string[]): PortMap {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const spec of specs) {
    for (
      const { port, hostIp, hostPort } of parsePublication(
        spec.includes("=") ? fromLongForm(spec) : spec,
      )
    ) {
      (bindings[port] ??= []).push({ HostIp: hostIp, HostPort: hostPort });
    }
  }
  return bindings;
}

/** Parses all `--expose` ("80", "80/udp", "1-3") to keys like "80/tcp". */
export function parseExpose(specs: readonly string[]): string[] {
  const ports: string[] = [];
  for (const spec of specs) {
    if (spec.includes(":")) badFlag(`invalid port format for --expose: ${spec}`);
    const [port, protocol] = splitProtocol(spec);
    const range = parsePortRange(port);
    if (range === undefined) {
      badFlag(`invalid range format for --expose: ${spec}, error: ${rangeError(port)}`);
    }
    const lower = protocol.toLowerCase();
    if (!["tcp", "udp", "sctp"].includes(lower)) badFlag(`invalid proto: ${protocol}`);
    for (let n = range[0]; n <= range[1]; n++) ports.push(`${n}/${lower}`);
  }
  return ports;
}

/** Why parsePortRange() refused `text`, in docker's words. */
function rangeError(text: string): string {
  if (text === "") return "empty string specified for ports";
  for (const side of text.split("-").slice(0, 2)) {
    if (!/^\d+$/.test(side)) return `strconv.ParseUint: parsing "${side}": invalid syntax`;
    if (Number(side) > 65535) return `strconv.ParseUint: parsing "${side}": value out of range`;
  }
  return `invalid range specified for port: ${text}`;
}
