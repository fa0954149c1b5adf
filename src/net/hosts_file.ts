/**
 * A container's /etc/hosts: its own names, the user's --add-host lines, and a marked block with
 * the names of its neighbours, which is rewritten while the container runs. Pure.
 */

const BEGIN = "# begin: names on this container's networks, kept up to date by diplodock";
const END = "# end";

/** One line: an address and its names. */
export interface HostsLine {
  readonly ip: string;
  readonly names: readonly string[];
}

const BASE: readonly HostsLine[] = [{ ip: "127.0.0.1", names: ["localhost"] }];
const BASE_IPV6: readonly HostsLine[] = [
  { ip: "::1", names: ["localhost", "ip6-localhost", "ip6-loopback"] },
  { ip: "fe00::", names: ["ip6-localnet"] },
  { ip: "ff00::", names: ["ip6-mcastprefix"] },
  { ip: "ff02::1", names: ["ip6-allnodes"] },
  { ip: "ff02::2", names: ["ip6-allrouters"] },
];

const show = (lines: readonly HostsLine[]) =>
  lines.map(({ ip, names }) => `${ip}\t${names.join(" ")}\n`).join("");

/** What the file has that stays as long as the container's addresses do. */
export interface HostsOptions {
  readonly hostname: string;
  readonly domainname: string;
  /** The container's own addresses, the main one first. */
  readonly ips: readonly string[];
  /** "name:ip" or "name:host-gateway". */
  readonly extraHosts: readonly string[];
  /** What "host-gateway" stands for. */
  readonly hostGateway: string;
  /** --link on the default bridge. */
  readonly links?: readonly HostsLine[];
  /** Another file to start from instead of the localhost lines. */
  readonly base?: string;
}

/** The text of a new file, without neighbours. */
export function hostsText(options: HostsOptions): string {
  const base = options.base === undefined
    ? show([...BASE, ...BASE_IPV6])
    : options.base.replace(/\n?$/, "\n");
  const extra = options.extraHosts.map((text): HostsLine => {
    const colon = text.indexOf(":");
    const ip = text.slice(colon + 1).replace(/^\[(.*)\]$/, "$1");
    return {
      ip: ip === "host-gateway" ? options.hostGateway : ip,
      names: [text.slice(0, colon)],
    };
  }).filter((line) => line.ip !== "");
  const full = options.domainname === ""
    ? options.hostname
    : `${options.hostname}.${options.domainname}`;
  const short = options.domainname === "" ? full.split(".", 1)[0] : options.hostname;
  const names = [...new Set([full, short])];
  const own = options.hostname === "" ? [] : options.ips.map((ip) => ({ ip, names }));
  return base + show(extra) + show(options.links ?? []) + show(own);
}

/** `text` with the block of neighbours replaced; what others wrote around it stays. */
export function withNeighbours(text: string, neighbours: readonly HostsLine[]): string {
  const begin = text.indexOf(`${BEGIN}\n`);
  const end = begin < 0 ? -1 : text.indexOf(`${END}\n`, begin);
  const rest = end < 0 ? text : text.slice(0, begin) + text.slice(end + END.length + 1);
  if (neighbours.length === 0) return rest;
  const block = `${BEGIN}\n${show(neighbours)}${END}\n`;
  return end < 0 ? rest + block : rest.slice(0, begin) + block + rest.slice(begin);
}
