/** What the firewall was told last, in the runtime directory. */
import { readIfThere, writeAtomic } from "../base/files.ts";
import type { Backend } from "./firewall_program.ts";
import type { NetPlaces } from "./places.ts";
import type { RuleNetwork, RuleSet } from "./rules.ts";

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
  /** Whether rules of the nat table may be given without a program, by family; absent: not known. */
  readonly native?: Partial<Record<4 | 6, boolean>>;
}

const appliedPath = (places: NetPlaces) => `${places.run}/firewall.json`;

/** The network namespace of this process, by name. */
export function namespace(): string {
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

/** Others read it without the lock. */
export function writeApplied(places: NetPlaces, applied: Applied): void {
  writeAtomic(appliedPath(places), JSON.stringify(applied));
}

/** Forgets it: nothing of ours is in the kernel. */
export function forgetApplied(places: NetPlaces): void {
  Deno.removeSync(appliedPath(places));
}

/** Is nothing to be done for a container without ports on these networks? */
export function covers(applied: Applied | undefined, networkIds: readonly string[]): boolean {
  return applied !== undefined &&
    networkIds.every((id) => applied.networks.some((network) => network.id === id));
}

/** Are these the very networks that the rules know? */
export function knowsAll(applied: Applied, networks: readonly AppliedNetwork[]): boolean {
  return JSON.stringify(applied.networks) === JSON.stringify(networks);
}

/** What the restore program was given last with success: for people to look at, and for us. */
export const givenPath = (places: NetPlaces, version: 4 | 6) => `${places.run}/rules.v${version}`;

/** Was the restore program given just this last? A transaction takes the kernel 10 ms and more. */
export function isGiven(places: NetPlaces, version: 4 | 6, text: string): boolean {
  return readIfThere(givenPath(places, version)) === text;
}

/** The families that any network needs rules for. */
export function versionsOf(set: RuleSet): (4 | 6)[] {
  const six = set.networks.some((network) => network.subnet6 !== undefined);
  return six ? [4, 6] : [4];
}
