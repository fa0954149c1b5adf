/**
 * Gives the rules to the kernel with the program the host has: iptables (either variant), else
 * nft, else none. Every change is the whole of our chains in one transaction, computed from what
 * is on disk, so that nothing of the dead can stay and repeating it repairs.
 */
import { UserError } from "../base/errors.ts";
import {
  type Applied,
  forgetApplied,
  givenPath,
  isGiven,
  knowsAll,
  namespace,
  readApplied,
  versionsOf,
  writeApplied,
} from "./applied.ts";
import { removeIfThere } from "../base/files.ts";
import { presentIn, removeText, restoreText, type Table, TABLES } from "./iptables.ts";
import { type Backend, programOf, runProgram } from "./firewall_program.ts";
import { applyNatively } from "./native_apply.ts";
import { proveNative } from "./native_proof.ts";
import { nftRemoveText, nftText, tableName } from "./nft.ts";
import type { NetPlaces } from "./places.ts";
import type { RuleSet } from "./rules.ts";
import {
  forgetRules,
  type MarkKind,
  nftGeneration,
  notedMark,
  noteRules,
  rulesTouched,
} from "./rules_mark.ts";

const PREFERENCE: readonly Backend[] = ["iptables", "iptables-nft", "iptables-legacy", "nft"];
const errorPath = (places: NetPlaces) => `${places.run}/firewall.error`;

/** Why no firewall program worked the last time one was tried, one line per program. */
export function readFirewallError(places: NetPlaces): string {
  try {
    return Deno.readTextFileSync(errorPath(places));
  } catch {
    return "none tried";
  }
}

/** Gives `text` to a restore program by a file. */
async function restore(
  places: NetPlaces,
  backend: Backend,
  version: 4 | 6,
  text: string,
): Promise<{ ok: boolean; error: string }> {
  const path = givenPath(places, version);
  Deno.writeTextFileSync(`${path}.new`, text, { mode: 0o600 });
  // Whatever comes between now and the new note: then nobody knows what was given last.
  removeIfThere(path);
  const program = programOf(backend, version, "restore");
  const done = await runProgram(program, ["--wait", "--noflush", `${path}.new`]);
  if (done.ok) Deno.renameSync(`${path}.new`, path);
  return done;
}

/**
 * One family by iptables. With a guess of the tables that need a change: first as if nobody had
 * touched our jumps since the last time. If the kernel refuses, all after a look at what is there.
 */
async function applyIptables(
  places: NetPlaces,
  backend: Backend,
  version: 4 | 6,
  set: RuleSet,
  guess: readonly Table[] | undefined,
): Promise<string | undefined> {
  if (guess !== undefined) {
    const text = restoreText(version, set, places.tag, "present", guess);
    if (isGiven(places, version, text)) return undefined;
    if ((await restore(places, backend, version, text)).ok) return undefined;
  }
  const saved = await runProgram(programOf(backend, version, "save"), []);
  if (!saved.ok) return saved.error;
  const known = presentIn(saved.out, version, places.tag);
  const exact = await restore(
    places,
    backend,
    version,
    restoreText(version, set, places.tag, known),
  );
  return exact.ok ? undefined : exact.error;
}

/** What the kernel has of our rules, and with iptables of everybody's; "" where that fails. */
export async function listedRules(
  backend: Backend,
  version: 4 | 6,
  tag: string,
): Promise<string> {
  const family = version === 4 ? "ip" : "ip6";
  const { out } = backend === "nft"
    ? await runProgram("nft", ["list", "table", family, tableName(tag)])
    : await runProgram(programOf(backend, version, "save"), []);
  return out;
}

async function applyNft(
  places: NetPlaces,
  versions: readonly (4 | 6)[],
  set: RuleSet,
): Promise<string | undefined> {
  const path = `${places.run}/rules.nft`;
  Deno.writeTextFileSync(path, nftText(versions, set, places.tag), { mode: 0o600 });
  const done = await runProgram("nft", ["-f", path]);
  return done.ok ? undefined : done.error;
}

async function applyWith(
  places: NetPlaces,
  backend: Backend,
  versions: readonly (4 | 6)[],
  set: RuleSet,
  known: Applied | undefined,
  scope: Scope,
): Promise<string | undefined> {
  if (backend === "nft") return await applyNft(places, versions, set);
  for (const version of versions) {
    const guess = known?.backend !== backend || !known.versions.includes(version)
      ? undefined
      : scope === "ports"
      ? ["nat" as const]
      : scope === "all"
      ? TABLES[version]
      : undefined;
    const error = await applyIptables(places, backend, version, set, guess);
    if (error !== undefined) return error;
  }
  return undefined;
}

/**
 * What changed since the last time: published ports, networks too, or perhaps anything, made by
 * somebody else ("repair": the kernel is asked first).
 */
export type Scope = "ports" | "all" | "repair";

function asked(): readonly Backend[] {
  const wish = Deno.env.get("DIPLODOCK_FIREWALL");
  if (wish === undefined || wish === "") return PREFERENCE;
  if (wish === "none" || PREFERENCE.includes(wish as Backend)) return [wish as Backend];
  throw new UserError(
    `Cannot use firewall "${wish}": know ${[...PREFERENCE, "none"].join(", ")}`,
  );
}

/**
 * Makes our part of the firewall be `set`. The backend is the one used before, else the first
 * that works; "none" where none does (published ports then need the proxy). The caller holds the
 * lock.
 */
export async function applyRules(
  places: NetPlaces,
  set: RuleSet & Pick<Applied, "networks">,
  changed: Scope,
): Promise<Backend> {
  const known = readApplied(places);
  // A network that was made since has to have its walls too before it counts as known.
  const isPorts = changed === "ports" && known !== undefined && knowsAll(known, set.networks);
  const scope = changed === "ports" && !isPorts ? "all" : changed;
  const wishes = asked();
  if (isPorts && wishes.includes(known.backend)) {
    if (applyNatively(places, set, known)) return known.backend;
  }
  const touched = scope !== "repair" && rulesTouched(places);
  const before = nftGeneration();
  const order = known !== undefined && wishes.includes(known.backend)
    ? [known.backend, ...wishes.filter((backend) => backend !== known.backend)]
    : wishes;
  const versions = [...new Set([...versionsOf(set), ...(known?.versions ?? [])])].sort();
  let backend: Backend = "none";
  let stale = known?.backend === "none" ? undefined : known;
  const errors: string[] = [];
  for (const candidate of order) {
    // What another program gave stays in force beside what this one gives, and nobody changes it.
    if (stale !== undefined && candidate !== stale.backend) {
      await takeRules(places, stale);
      stale = undefined;
    }
    if (candidate === "none") break;
    const error = await applyWith(places, candidate, versions, set, known, scope);
    if (error === undefined) {
      backend = candidate;
      break;
    }
    errors.push(`${candidate}: ${error}`);
  }
  const kind = kindOf(places, backend, before);
  const told = backend === known?.backend ? known.native : undefined;
  const native = kind === "nft" && backend !== "nft" && set.ports.length > 0
    ? await provenBy(places, backend, versions, told)
    : told;
  writeApplied(places, { backend, netns: namespace(), networks: set.networks, versions, native });
  // What somebody else changed is not known to be whole yet: the note stays as it is.
  if (kind !== undefined && !touched) noteRules(places, kind, versions);
  if (backend === "none") {
    forgetRules(places);
    Deno.writeTextFileSync(errorPath(places), errors.join("\n"), { mode: 0o600 });
  }
  return backend;
}

/** For which families rules may be given without a program; what is known is not tried again. */
async function provenBy(
  places: NetPlaces,
  backend: Backend,
  versions: readonly (4 | 6)[],
  known: Applied["native"],
): Promise<Applied["native"]> {
  const proven = { ...known };
  for (const version of versions) proven[version] ??= await proveNative(places, backend, version);
  return proven;
}

/** In which firewall a backend's program has just put our rules; undefined: in none. */
function kindOf(places: NetPlaces, backend: Backend, before: string): MarkKind | undefined {
  if (backend === "none") return undefined;
  if (backend === "iptables-legacy") return "legacy";
  if (backend !== "iptables") return "nft";
  const now = nftGeneration();
  // "none" may be a question that failed.
  if (now !== before && ![now, before].includes("none")) return "nft";
  return notedMark(places)?.kind ?? "legacy"; // perhaps there was nothing to change
}

/**
 * Takes our chains or tables out of the kernel, whatever state they are in. Where nothing tells by
 * which program they were given, every program takes what it finds.
 */
export async function removeRules(places: NetPlaces): Promise<void> {
  const known = readApplied(places);
  if (known === undefined) {
    for (const backend of PREFERENCE) await takeRules(places, { backend, versions: [4, 6] });
    return;
  }
  if (known.backend === "none") return;
  await takeRules(places, known);
  forgetApplied(places);
  forgetRules(places);
}

async function takeRules(
  places: NetPlaces,
  { backend, versions }: Pick<Applied, "backend" | "versions">,
): Promise<void> {
  if (backend === "nft") {
    const path = `${places.run}/rules.nft`;
    Deno.writeTextFileSync(path, nftRemoveText(versions, places.tag), { mode: 0o600 });
    await runProgram("nft", ["-f", path]);
    return;
  }
  for (const version of versions) {
    const saved = await runProgram(programOf(backend, version, "save"), []);
    const text = removeText(version, places.tag, presentIn(saved.out, version, places.tag));
    if (text !== "") await restore(places, backend, version, text);
  }
}
