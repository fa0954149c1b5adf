/**
 * Putting rules back that somebody else removed: a firewall reload, `iptables -F`, `nft flush
 * ruleset`. The watch (`watch_program.ts`) or the next command finds the firewall's mark changed, looks
 * what is left of our rules, and gives them again if one is missing.
 */
import { type Applied, readApplied } from "./applied.ts";
import { listedRules } from "./firewall.ts";
import { chainName, jumpKey, jumpsOf, presentIn, TABLES } from "./iptables.ts";
import { locked } from "./lock.ts";
import { countRules, nftText } from "./nft.ts";
import type { NetPlaces } from "./places.ts";
import { refreshRules, ruleSetOf } from "./rule_set.ts";
import { chainsOf, type RuleSet } from "./rules.ts";
import { forgetRules, notedMark, noteRules, rulesTouched } from "./rules_mark.ts";
import { readStates } from "./state.ts";

/** Has the output of iptables-save all our jumps, and as many rules in our chains as `set` has? */
export function hasAllRules(saved: string, version: 4 | 6, tag: string, set: RuleSet): boolean {
  const present = presentIn(saved, version, tag);
  const jumps = jumpsOf(version, tag).filter(({ table }) => TABLES[version].includes(table));
  if (!jumps.every((jump) => present.has(jumpKey(jump)))) return false;
  const { guard, ports, postrouting, forward } = chainsOf(version, set);
  const wanted = { GUARD: guard, PORTS: ports, POST: postrouting, FORWARD: forward };
  return Object.entries(wanted).every(([part, rules]) => {
    const start = `-A ${chainName(tag, part)} `;
    return saved.split("\n").filter((line) => line.startsWith(start)).length === rules.length;
  });
}

async function isIntact(places: NetPlaces, applied: Applied): Promise<boolean> {
  const set = ruleSetOf(applied.networks, readStates(places));
  for (const version of applied.versions) {
    const listed = await listedRules(applied.backend, version, places.tag);
    const whole = applied.backend === "nft"
      ? countRules(listed) === countRules(nftText([version], set, places.tag))
      : hasAllRules(listed, version, places.tag, set);
    if (!whole) return false;
  }
  return true;
}

/** Gives the kernel our rules again if it has lost one; whether it had. Throws UserError. */
export async function restoreLostRules(places: NetPlaces): Promise<boolean> {
  return await locked(places, async () => {
    if (!rulesTouched(places)) return false; // another command was faster
    const applied = readApplied(places);
    if (applied === undefined || applied.backend === "none") {
      forgetRules(places);
      return false;
    }
    if (await isIntact(places, applied)) {
      noteRules(places, notedMark(places)!.kind, applied.versions);
      return false;
    }
    await refreshRules(places, "repair");
    return true;
  });
}
