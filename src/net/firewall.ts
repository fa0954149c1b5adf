/**
 * Gives the rules to the kernel with the program the host has: iptables (either variant), else
 * nft, else none. Every change is the whole of our chains in one transaction, computed from what
 * is on disk, so that nothing of the dead can stay and repeating it repairs.
 */
import { UserError } from "../base/errors.ts";
import { writeAtomic } from "../base/files.ts";
import { presentIn, removeText, restoreText, type Table, TABLES } from "./iptables.ts";
import { nftRemoveText, nftText, tableName } from "./nft.ts";
import type { NetPlaces } from "./places.ts";
import type { RuleNetwork, RuleSet } from "./rules.ts";
import {
  forgetRules,
  type MarkKind,
  nftGeneration,
  notedMark,
  noteRules,
  rulesTouched,
} from "./rules_mark.ts";

/** How rules get into the kernel. */
export type Backend = "iptables" | "iptables-legacy" | "iptables-nft" | "nft" | "none";

/** A network that the rules are about; its name finds it again when its record is damaged. */
export interface AppliedNetwork extends RuleNetwork {
  readonly id: string;
  readonly name: string;
}

/** What the kernel was told last, kept in the runtime directory. */
export interface Applied {
  readonly backend: Backend;
  /** The network namespace they are in, as /proc/thread-self/ns/net names it. */
  readonly netns: string;
  readonly networks: readonly AppliedNetwork[];
  readonly versions: readonly (4 | 6)[];
}

const PREFERENCE: readonly Backend[] = ["iptables", "iptables-nft", "iptables-legacy", "nft"];
const PROGRAM_DIRS = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"];

function findProgram(name: string): string | undefined {
  const fromPath = (Deno.env.get("PATH") ?? "").split(":").filter((dir) => dir.startsWith("/"));
  for (const dir of new Set([...fromPath, ...PROGRAM_DIRS])) {
    try {
      if (Deno.statSync(`${dir}/${name}`).isFile) return `${dir}/${name}`;
    } catch {
      // not in this directory
    }
  }
  return undefined;
}

const decoder = new TextDecoder();

async function runProgram(
  name: string,
  args: string[],
): Promise<{ ok: boolean; out: string; error: string }> {
  const path = findProgram(name);
  if (path === undefined) return { ok: false, out: "", error: `${name}: not found` };
  const { success, stdout, stderr } = await new Deno.Command(path, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  return { ok: success, out: decoder.decode(stdout), error: decoder.decode(stderr).trim() };
}

/** "iptables-legacy" and 6 -> "ip6tables-legacy-restore". */
function programOf(backend: Backend, version: 4 | 6, verb: "restore" | "save"): string {
  return `${backend.replace("iptables", version === 4 ? "iptables" : "ip6tables")}-${verb}`;
}

const appliedPath = (places: NetPlaces) => `${places.run}/firewall.json`;

function namespace(): string {
  return Deno.readLinkSync("/proc/thread-self/ns/net");
}

/** What was applied last in this network namespace; undefined after a reboot. */
export function readApplied(places: NetPlaces): Applied | undefined {
  try {
    const applied: Applied = JSON.parse(Deno.readTextFileSync(appliedPath(places)));
    const isWhole = applied.networks.every(({ id }) => id !== undefined);
    return isWhole && applied.netns === namespace() ? applied : undefined;
  } catch (error) {
    // What cannot be understood is as good as nothing: the rules are given anew, after a look.
    const isLost = error instanceof SyntaxError || error instanceof TypeError;
    if (isLost || error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const errorPath = (places: NetPlaces) => `${places.run}/firewall.error`;

/** Why no firewall program worked the last time one was tried, one line per program. */
export function readFirewallError(places: NetPlaces): string {
  try {
    return Deno.readTextFileSync(errorPath(places));
  } catch {
    return "none tried";
  }
}

/** Is nothing to be done for a container without ports on these networks? */
export function covers(applied: Applied | undefined, networkIds: readonly string[]): boolean {
  return applied !== undefined &&
    networkIds.every((id) => applied.networks.some((network) => network.id === id));
}

/** What the restore program was given last with success: for people to look at, and for us. */
const givenPath = (places: NetPlaces, version: 4 | 6) => `${places.run}/rules.v${version}`;

/** Gives `text` to a restore program by a file. */
async function restore(
  places: NetPlaces,
  backend: Backend,
  version: 4 | 6,
  text: string,
): Promise<{ ok: boolean; error: string }> {
  const path = givenPath(places, version);
  Deno.writeTextFileSync(`${path}.new`, text, { mode: 0o600 });
  const program = programOf(backend, version, "restore");
  const done = await runProgram(program, ["--wait", "--noflush", `${path}.new`]);
  if (done.ok) Deno.renameSync(`${path}.new`, path);
  return done;
}

/** Was the restore program given just this last? A transaction takes the kernel 10 ms and more. */
function isGiven(places: NetPlaces, version: 4 | 6, text: string): boolean {
  try {
    return Deno.readTextFileSync(givenPath(places, version)) === text;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
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

/** The families that any network needs rules for. */
export function versionsOf(set: RuleSet): (4 | 6)[] {
  const six = set.networks.some((network) => network.subnet6 !== undefined);
  return six ? [4, 6] : [4];
}

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
  scope: Scope,
): Promise<Backend> {
  const known = readApplied(places);
  const touched = scope !== "repair" && rulesTouched(places);
  const before = nftGeneration();
  const wishes = asked();
  const order = known !== undefined && wishes.includes(known.backend)
    ? [known.backend, ...wishes.filter((backend) => backend !== known.backend)]
    : wishes;
  const versions = [...new Set([...versionsOf(set), ...(known?.versions ?? [])])].sort();
  let backend: Backend = "none";
  const errors: string[] = [];
  for (const candidate of order) {
    if (candidate === "none") break;
    const error = await applyWith(places, candidate, versions, set, known, scope);
    if (error === undefined) {
      backend = candidate;
      break;
    }
    errors.push(`${candidate}: ${error}`);
  }
  const applied: Applied = { backend, netns: namespace(), networks: set.networks, versions };
  writeAtomic(appliedPath(places), JSON.stringify(applied)); // others read it without the lock
  // What somebody else changed is not known to be whole yet: the note stays as it is.
  const kind = touched ? undefined : kindOf(places, backend, before);
  if (kind !== undefined) noteRules(places, kind, versions);
  if (backend === "none") {
    forgetRules(places);
    Deno.writeTextFileSync(errorPath(places), errors.join("\n"), { mode: 0o600 });
  }
  return backend;
}

/** In which firewall a backend's program has just put our rules; undefined: in none. */
function kindOf(places: NetPlaces, backend: Backend, before: string): MarkKind | undefined {
  if (backend === "none") return undefined;
  if (backend === "iptables-legacy") return "legacy";
  if (backend !== "iptables" || nftGeneration() !== before) return "nft";
  return notedMark(places)?.kind ?? "legacy"; // perhaps there was nothing to change
}

/** Takes our chains or tables out of the kernel, whatever state they are in. */
export async function removeRules(places: NetPlaces): Promise<void> {
  const known = readApplied(places);
  if (known === undefined || known.backend === "none") return;
  if (known.backend === "nft") {
    const path = `${places.run}/rules.nft`;
    Deno.writeTextFileSync(path, nftRemoveText(known.versions, places.tag), { mode: 0o600 });
    await runProgram("nft", ["-f", path]);
  } else {
    for (const version of known.versions) {
      const saved = await runProgram(programOf(known.backend, version, "save"), []);
      const present = presentIn(saved.out, version, places.tag);
      const text = removeText(version, places.tag, present);
      if (text !== "") await restore(places, known.backend, version, text);
    }
  }
  Deno.removeSync(appliedPath(places));
  forgetRules(places);
}
