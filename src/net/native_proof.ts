/**
 * The proof that our own expressions are those of this machine's iptables: a chain that no packet
 * comes to is filled by `iptables-restore` with each kind of rule, then by us, and the kernel has to
 * list both alike. Done once, when a port is published for the first time after a boot.
 */
import { ERESTART, SyscallError } from "../../ffi/errno.ts";
import { commitRules, rulesIn } from "../../ffi/nf_commit.ts";
import { deleteChain, flushChain } from "../../ffi/nf_tables.ts";
import { removeIfThere } from "../base/files.ts";
import { type Backend, programOf, runProgram } from "./firewall_program.ts";
import { showRule } from "./iptables.ts";
import { fillChain, natChain } from "./native_rules.ts";
import type { NetPlaces } from "./places.ts";
import type { Match, Rule } from "./rules.ts";
import { currentGeneration } from "./rules_mark.ts";

const BRIDGE = "dd-0123456789ab";
const ADDRESSES = {
  4: {
    subnets: ["10.9.0.0/16", "10.9.8.0/21", "127.0.0.0/8"],
    host: "127.0.0.1",
    to: "10.9.0.2:80",
  },
  6: { subnets: ["fd00:9::/64", "fd00:9::/61"], host: "fd00:9::1", to: "[fd00:9::2]:80" },
} as const;

/** A rule of each kind that the nat table can have. */
export function sampleRules(version: 4 | 6): Rule[] {
  const { subnets, host, to } = ADDRESSES[version];
  const ports = ["tcp", "udp"].flatMap((protocol) => {
    const match: Match = { protocol, port: 8080 };
    return [match, { ...match, destination: host }];
  }).map((match): Rule => ({ match, verdict: { dnat: to } }));
  const masks = subnets.flatMap((source): Match[] => [
    { source, notOut: BRIDGE },
    { source, out: BRIDGE.slice(0, -2), translated: true },
  ]).map((match): Rule => ({ match, verdict: "masquerade" }));
  return [...ports, ...masks];
}

/**
 * Are our rules those of `backend`? Undefined if it could not be seen: somebody was in between, or
 * the kernel had no memory for it.
 */
export async function proveNative(
  places: NetPlaces,
  backend: Backend,
  version: 4 | 6,
): Promise<boolean | undefined> {
  const at = natChain(version, places.tag, "PROOF");
  const rules = sampleRules(version);
  const lines = rules.map((rule) => `-A ${at.chain} ${showRule(rule)}`);
  const path = `${places.run}/rules.proof`;
  const give = async (lines: readonly string[]) => {
    const text = ["*nat", `:${at.chain} - [0:0]`, ...lines, "COMMIT", ""].join("\n");
    Deno.writeTextFileSync(path, text, { mode: 0o600 });
    const program = programOf(backend, version, "restore");
    return await runProgram(program, ["--wait", "--noflush", path]);
  };
  let isThere = false;
  try {
    const made = await give(lines);
    if (!made.ok) return false;
    isThere = true;
    const theirs = rulesIn(at);
    commitRules(currentGeneration(), fillChain(at, rules)!);
    const ours = rulesIn(at);
    commitRules(currentGeneration(), [flushChain(at), deleteChain(at)]);
    isThere = false;
    return theirs.length === rules.length && theirs.join("\n") === ours.join("\n");
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    // Only a refusal of the rules themselves says anything of them.
    return error.call === "netlink" && error.errno !== ERESTART ? false : undefined;
  } finally {
    if (isThere) await give([`-X ${at.chain}`]);
    removeIfThere(path);
  }
}
