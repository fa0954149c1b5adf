/** Rules in the words of nft, for hosts that have it and no iptables. Pure. */
import { type Chains, chainsOf, type Match, type Rule, type RuleSet } from "./rules.ts";

/** The name of our tables: ours alone, so they are replaced as a whole. */
export function tableName(tag: string): string {
  return tag === "" ? "diplodock" : `diplodock-${tag}`;
}

function showMatch(version: 4 | 6, match: Match): string {
  const ip = version === 4 ? "ip" : "ip6";
  const words: string[] = [];
  if (match.source !== undefined) words.push(`${ip} saddr ${match.source}`);
  if (match.destination !== undefined) words.push(`${ip} daddr ${match.destination}`);
  if (match.in !== undefined) words.push(`iifname "${match.in}"`);
  if (match.notIn !== undefined) words.push(`iifname != "${match.notIn}"`);
  if (match.out !== undefined) words.push(`oifname "${match.out}"`);
  if (match.notOut !== undefined) words.push(`oifname != "${match.notOut}"`);
  if (match.port !== undefined) words.push(`${match.protocol} dport ${match.port}`);
  if (match.established) words.push("ct state related,established");
  if (match.translated) words.push("ct status dnat");
  return words.length === 0 ? "" : `${words.join(" ")} `;
}

function showRule(version: 4 | 6, rule: Rule): string {
  const verdict = typeof rule.verdict === "string" ? rule.verdict : `dnat to ${rule.verdict.dnat}`;
  return `${showMatch(version, rule.match)}${verdict}`;
}

function chain(name: string, head: string, lines: readonly string[]): string[] {
  const body = [head, ...lines].filter((line) => line !== "");
  return [`  chain ${name} {`, ...body.map((line) => `    ${line}`), "  }"];
}

function table(version: 4 | 6, tag: string, chains: Chains): string[] {
  const show = (rules: readonly Rule[]) => rules.map((rule) => showRule(version, rule));
  const head = (hook: string, priority: number, type = "nat") =>
    `type ${type} hook ${hook} priority ${priority}; policy accept;`;
  const fromHost = version === 6 ? "ip6 daddr != ::1 " : "";
  const toPorts = "fib daddr type local jump ports";
  return [
    `table ${version === 4 ? "ip" : "ip6"} ${tableName(tag)} {`,
    ...chain("guard", head("prerouting", -300, "filter"), show(chains.guard)),
    ...chain("ports", "", show(chains.ports)),
    ...chain("prerouting", head("prerouting", -100), [toPorts]),
    ...chain("output", head("output", -100), [fromHost + toPorts]),
    ...chain("postrouting", head("postrouting", 100), show(chains.postrouting)),
    ...chain("forward", head("forward", 0, "filter"), show(chains.forward)),
    "}",
  ];
}

/** The text for `nft -f`: one transaction that replaces our tables. */
export function nftText(versions: readonly (4 | 6)[], set: RuleSet, tag: string): string {
  const lines = versions.flatMap((version) => {
    const name = `${version === 4 ? "ip" : "ip6"} ${tableName(tag)}`;
    // Declared first because the deletion of a table that is not there fails.
    return [
      `table ${name} {}`,
      `delete table ${name}`,
      ...table(version, tag, chainsOf(version, set)),
    ];
  });
  return `${lines.join("\n")}\n`;
}

/** How many rules a listing has, or the text of `nftText`: all lines but those around them. */
export function countRules(text: string): number {
  return text.split("\n").map((line) => line.trim())
    .filter((line) => line !== "" && !/^(table|delete|chain|type|})/.test(line)).length;
}

/** The text that removes our tables. */
export function nftRemoveText(versions: readonly (4 | 6)[], tag: string): string {
  const lines = versions.flatMap((version) => {
    const name = `${version === 4 ? "ip" : "ip6"} ${tableName(tag)}`;
    return [`table ${name} {}`, `delete table ${name}`];
  });
  return `${lines.join("\n")}\n`;
}
