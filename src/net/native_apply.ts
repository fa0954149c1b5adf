/**
 * Changes of published ports without a program: our chains of the nat table are filled anew by one
 * transaction, where nobody else was at the rules since ours were all there. The kernel itself
 * refuses the transaction if somebody was; `iptables-restore` does the work then.
 */
import { SyscallError } from "../../ffi/errno.ts";
import { commitRules } from "../../ffi/nf_commit.ts";
import type { Message } from "../../ffi/netlink_message.ts";
import { removeIfThere, writeAtomic } from "../base/files.ts";
import { type Applied, givenPath, isGiven, knowsAll, versionsOf } from "./applied.ts";
import { restoreText } from "./iptables.ts";
import { fillChain, natChain } from "./native_rules.ts";
import type { NetPlaces } from "./places.ts";
import { chainsOf, type RuleSet } from "./rules.ts";
import { notedGeneration, noteGeneration } from "./rules_mark.ts";

/** The messages that bring our chains in line; undefined if one of the rules cannot be put so. */
function changesOf(version: 4 | 6, tag: string, set: RuleSet): Message[] | undefined {
  const { ports, postrouting } = chainsOf(version, set);
  const first = fillChain(natChain(version, tag, "PORTS"), ports);
  const second = fillChain(natChain(version, tag, "POST"), postrouting);
  return first && second && [...first, ...second];
}

/** Makes the published ports be those of `set`; false if that is nothing for this way. */
export function applyNatively(
  places: NetPlaces,
  set: RuleSet & Pick<Applied, "networks">,
  known: Applied,
): boolean {
  const { versions, native = {} } = known;
  if (!knowsAll(known, set.networks)) return false;
  if (!versionsOf(set).every((version) => versions.includes(version))) return false;
  const generation = notedGeneration(places, versions);
  if (generation === undefined) return false;
  const given = versions.map((version) => ({
    version,
    text: restoreText(version, set, places.tag, "present", ["nat"]),
  })).filter(({ version, text }) => !isGiven(places, version, text));
  const changes: Message[] = [];
  for (const { version } of given) {
    const some = native[version] ? changesOf(version, places.tag, set) : undefined;
    if (some === undefined) return false;
    changes.push(...some);
  }
  if (changes.length === 0) return true;
  // Whatever comes between now and the new note: then nobody knows what was given last.
  for (const { version } of given) removeIfThere(givenPath(places, version));
  try {
    commitRules(generation, changes);
  } catch (error) {
    if (error instanceof SyscallError) return false;
    throw error;
  }
  for (const { version, text } of given) writeAtomic(givenPath(places, version), text);
  noteGeneration(places, versions, generation + 1);
  return true;
}
