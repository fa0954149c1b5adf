/** Rules in the words of iptables-restore. Pure. */
import { type Chains, chainsOf, type Match, type Rule, type RuleSet } from "./rules.ts";

/** How a built-in chain comes to ours. */
interface Jump {
  readonly table: "raw" | "nat" | "filter";
  readonly from: string;
  readonly chain: string;
  readonly match: string;
}

const PREFIX = "DIPLODOCK";

/** The chains of the engine with this tag. */
export function chainName(tag: string, part: string): string {
  return tag === "" ? `${PREFIX}-${part}` : `${PREFIX}-${tag}-${part}`;
}

/** Every jump into our chains. */
export function jumpsOf(version: 4 | 6, tag: string): Jump[] {
  const local = "-m addrtype --dst-type LOCAL ";
  // The kernel routes nothing from ::1 to another interface, so there is no use in translating.
  const fromHost = version === 6 ? `! -d ::1/128 ${local}` : local;
  const name = (part: string) => chainName(tag, part);
  return [
    { table: "raw", from: "PREROUTING", chain: name("GUARD"), match: "" },
    { table: "nat", from: "PREROUTING", chain: name("PORTS"), match: local },
    { table: "nat", from: "OUTPUT", chain: name("PORTS"), match: fromHost },
    { table: "nat", from: "POSTROUTING", chain: name("POST"), match: "" },
    { table: "filter", from: "FORWARD", chain: name("FORWARD"), match: "" },
  ];
}

function showMatch(match: Match): string {
  const words: string[] = [];
  if (match.source !== undefined) words.push(`-s ${match.source}`);
  if (match.destination !== undefined) words.push(`-d ${match.destination}`);
  if (match.in !== undefined) words.push(`-i ${match.in}`);
  if (match.notIn !== undefined) words.push(`! -i ${match.notIn}`);
  if (match.out !== undefined) words.push(`-o ${match.out}`);
  if (match.notOut !== undefined) words.push(`! -o ${match.notOut}`);
  if (match.protocol !== undefined) words.push(`-p ${match.protocol}`);
  if (match.port !== undefined) words.push(`-m ${match.protocol} --dport ${match.port}`);
  if (match.established) words.push("-m conntrack --ctstate RELATED,ESTABLISHED");
  if (match.translated) words.push("-m conntrack --ctstate DNAT");
  return words.length === 0 ? "" : `${words.join(" ")} `;
}

/** A rule without its chain: "-i br0 -j ACCEPT". */
export function showRule(rule: Rule): string {
  const verdict = typeof rule.verdict === "string"
    ? rule.verdict.toUpperCase()
    : `DNAT --to-destination ${rule.verdict.dnat}`;
  return `${showMatch(rule.match)}-j ${verdict}`;
}

/**
 * What is known of the jumps: "present" moves them to the top, "absent" inserts them, a set names
 * those (`jumpKey`) that are there.
 */
export type KnownJumps = "present" | "absent" | ReadonlySet<string>;

export const jumpKey = (jump: Jump) => `${jump.table} ${jump.from} ${jump.chain}`;

export type Table = Jump["table"];
/** IPv6 has nothing to guard: no address of its loopback interface is ever routed. */
export const TABLES: Record<4 | 6, readonly Table[]> = {
  4: ["raw", "nat", "filter"],
  6: ["nat", "filter"],
};

/**
 * The text for `iptables-restore --noflush`: it replaces our chains in `tables` and nothing else.
 * Each table is a transaction, which the nft variant takes 10 to 20 ms for.
 */
export function restoreText(
  version: 4 | 6,
  set: RuleSet,
  tag: string,
  known: KnownJumps,
  tables: readonly Table[] = TABLES[version],
): string {
  const chains: Chains = chainsOf(version, set);
  const jumps = jumpsOf(version, tag);
  const content: Record<Jump["table"], [part: string, rules: readonly Rule[]][]> = {
    raw: [["GUARD", chains.guard]],
    nat: [["PORTS", chains.ports], ["POST", chains.postrouting]],
    filter: [["FORWARD", chains.forward]],
  };
  const there = (jump: Jump) =>
    known === "present" || (known !== "absent" && known.has(jumpKey(jump)));
  const lines: string[] = [];
  for (const table of tables) {
    lines.push(`*${table}`);
    for (const [part] of content[table]) lines.push(`:${chainName(tag, part)} - [0:0]`);
    for (const jump of jumps.filter((jump) => jump.table === table)) {
      const rule = `${jump.match}-j ${jump.chain}`;
      if (there(jump)) lines.push(`-D ${jump.from} ${rule}`);
      lines.push(`-I ${jump.from} ${rule}`);
    }
    for (const [part, rules] of content[table]) {
      for (const rule of rules) lines.push(`-A ${chainName(tag, part)} ${showRule(rule)}`);
    }
    lines.push("COMMIT");
  }
  return `${lines.join("\n")}\n`;
}

/** The text that takes our chains and the jumps that are there away again. */
export function removeText(version: 4 | 6, tag: string, known: ReadonlySet<string>): string {
  const lines: string[] = [];
  for (const table of ["raw", "nat", "filter"] as const) {
    const jumps = jumpsOf(version, tag).filter((jump) => jump.table === table);
    const chains = [...new Set(jumps.map((jump) => jump.chain))]
      .filter((chain) => known.has(`${table} ${chain}`));
    if (chains.length === 0) continue;
    lines.push(`*${table}`);
    for (const jump of jumps) {
      if (known.has(jumpKey(jump))) lines.push(`-D ${jump.from} ${jump.match}-j ${jump.chain}`);
    }
    for (const chain of chains) lines.push(`-F ${chain}`);
    for (const chain of chains) lines.push(`-X ${chain}`);
    lines.push("COMMIT");
  }
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

/**
 * Which of our chains ("nat NAME") and jumps (`jumpKey`) the output of iptables-save has. A jump
 * that is there twice is reported once.
 */
export function presentIn(saved: string, version: 4 | 6, tag: string): Set<string> {
  const present = new Set<string>();
  const jumps = jumpsOf(version, tag);
  let table = "";
  for (const line of saved.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    const [, chain] = /^:(\S+)/.exec(line) ?? [];
    if (chain !== undefined) present.add(`${table} ${chain}`);
    const [, from, target] = /^-A (\S+) .*?-j (\S+)$/.exec(line) ?? [];
    const jump = jumps.find((j) => j.table === table && j.from === from && j.chain === target);
    if (jump !== undefined) present.add(jumpKey(jump));
  }
  return present;
}
