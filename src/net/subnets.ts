/** Which subnet a new network gets. Pure: what is taken is an argument. */
import {
  addressAt,
  contains,
  type Ip,
  masked,
  overlap,
  parseIp,
  parseSubnet,
  type Subnet,
} from "./address.ts";

/** Where subnets come from: `count` neighbours of the same size. */
interface Pool {
  readonly first: Subnet;
  readonly count: number;
}

const pool = (first: string, count: number): Pool => ({ first: parseSubnet(first)!, count });

/**
 * None of docker's (172.17-172.31, 192.168) nor podman's (10.88, 10.89) pools comes first: those
 * engines look at no routes when they start later than we do.
 */
const DEFAULT_BRIDGE_POOLS: readonly Pool[] = [
  pool("10.212.0.0/16", 1),
  pool("10.214.0.0/16", 26),
  pool("172.24.0.0/16", 8),
  pool("192.168.160.0/20", 6),
  pool("100.96.0.0/16", 8),
];
const USER_POOLS: readonly Pool[] = [
  pool("10.213.0.0/24", 256),
  pool("10.240.0.0/24", 4096),
  pool("172.24.0.0/24", 2048),
  pool("192.168.160.0/24", 96),
];

/** A route over half of all addresses or more is a default route in disguise (VPNs). */
const SHORTEST_PREFIX = 2;

/** The first subnet of the pools that overlaps nothing taken; undefined if there is none. */
export function pickSubnet(
  kind: "default" | "user",
  taken: readonly Subnet[],
): Subnet | undefined {
  const real = taken.filter((subnet) => subnet.prefix >= SHORTEST_PREFIX);
  for (const { first, count } of kind === "default" ? DEFAULT_BRIDGE_POOLS : USER_POOLS) {
    const step = 2 ** (32 - first.prefix);
    for (let i = 0; i < count; i++) {
      const subnet = { base: addressAt(first, i * step), prefix: first.prefix };
      if (!real.some((other) => overlap(subnet, other))) return subnet;
    }
  }
  return undefined;
}

/** A subnet of the unique local addresses (RFC 4193) from 7 random bytes. */
export function uniqueLocalSubnet(random: Uint8Array): Subnet {
  const base = new Uint8Array(16);
  base[0] = 0xfd;
  base.set(random.subarray(0, 7), 1);
  return { base, prefix: 64 };
}

/** A network's addresses of one family, parsed. */
export interface AddressPlan {
  readonly subnet: Subnet;
  readonly gateway: Ip;
  /** Where leases come from. */
  readonly range: Subnet;
  /** Addresses never leased besides the gateway. */
  readonly reserved: readonly Ip[];
}

/** The plan of one IPAM entry. Without a gateway it is the first address, or that of the range. */
export function planOf(config: {
  Subnet: string;
  Gateway?: string;
  IPRange?: string;
  AuxiliaryAddresses?: Record<string, string>;
}): AddressPlan {
  const subnet = parseSubnet(config.Subnet);
  if (subnet === undefined) throw new SyntaxError(`Cannot read subnet "${config.Subnet}"`);
  const range = (config.IPRange && parseSubnet(config.IPRange)) || subnet;
  const gateway = (config.Gateway && parseIp(config.Gateway)) || addressAt(subnet, 1);
  const reserved = Object.values(config.AuxiliaryAddresses ?? {}).flatMap((ip) =>
    parseIp(ip) ?? []
  );
  return { subnet, gateway, range, reserved };
}

/** Is `ip` the first or (IPv4) last address of the subnet, which no interface can have? */
export function isEdge(subnet: Subnet, ip: Ip): boolean {
  if (!contains(subnet, ip) || subnet.prefix >= subnet.base.length * 8 - 1) return false;
  const last = subnet.base.map((byte, i) =>
    byte | (0xff >> Math.min(8, Math.max(0, subnet.prefix - i * 8)))
  );
  const equals = (other: Ip) => ip.every((byte, i) => byte === other[i]);
  return equals(masked(ip, subnet.prefix)) || (ip.length === 4 && equals(last));
}
