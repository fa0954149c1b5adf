/** Published ports that a user wants taken back: "8080", "8080/udp", "127.0.0.1:8080". Pure. */
import { UserError } from "../base/errors.ts";
import { type Ip, isUnspecified, parseIp, sameIp } from "./address.ts";

/** A port of the host; without `ip` on whatever address. */
export interface Removal {
  /** As the user wrote it. */
  readonly text: string;
  readonly ip?: Ip;
  readonly port: number;
  readonly protocol: string;
}

/** Parses "[ip:]port[/protocol]". Throws UserError. */
export function parseRemoval(text: string): Removal {
  const [, host, port, protocol = "tcp"] = /^(?:(.*):)?(\d{1,5})(?:\/(\w+))?$/.exec(text) ?? [];
  if (port === undefined) throw new UserError(`invalid host port: ${text}`);
  if (host === undefined) return { text, port: Number(port), protocol };
  const ip = parseIp(host.replace(/^\[(.*)\]$/, "$1"));
  if (ip === undefined) throw new UserError(`invalid IP address: ${host}`);
  return { text, ip, port: Number(port), protocol };
}

/** Is it about ports of this address ("" and the unspecified ones are all the same)? */
export function meansAddress({ ip }: Removal, hostIp: string): boolean {
  const other = parseIp(hostIp);
  if (ip === undefined) return true;
  if (other === undefined || isUnspecified(other)) return isUnspecified(ip);
  return sameIp(ip, other);
}

/** Is it about this published port? */
export function means(
  removal: Removal,
  port: { protocol: string; hostIp: string; hostPort: number },
): boolean {
  return removal.port === port.hostPort && removal.protocol === port.protocol &&
    meansAddress(removal, port.hostIp);
}
