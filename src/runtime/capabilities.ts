/** Capabilities: names, docker's algebra of adding and dropping, the kernel's bit masks. */
import { UserError } from "../base/errors.ts";
import type { Capabilities } from "./spec_types.ts";

/** In the order of their numbers. linux/capability.h, up to Linux 5.9 (none was added since). */
const NAMES =
  ("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE " +
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO " +
    "SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME " +
    "SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG " +
    "WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE")
    .split(" ").map((name) => `CAP_${name}`);

/** All 41, in the order of their numbers. */
export const ALL_CAPABILITIES: readonly string[] = NAMES;

/** What a container has by default: docker's 14, 0xa80425fb. */
export const DEFAULT_CAPABILITIES: readonly string[] = capabilityNames(0xa80425fbn);

/** The number of "CAP_CHOWN" …, or undefined. */
export function capabilityNumber(name: string): number | undefined {
  const number = NAMES.indexOf(name);
  return number < 0 ? undefined : number;
}

/** The bits of `names`. Throws UserError for a name the kernel does not have. */
export function capabilityMask(names: readonly string[]): bigint {
  let mask = 0n;
  for (const name of names) {
    const number = capabilityNumber(name);
    if (number === undefined) throw new UserError(`unknown capability: ${JSON.stringify(name)}`);
    mask |= 1n << BigInt(number);
  }
  return mask;
}

/** The names of the bits of `mask`; bits without a name are left out. */
export function capabilityNames(mask: bigint): string[] {
  return NAMES.filter((_, number) => (mask >> BigInt(number)) & 1n);
}

/** "sys_admin", "CAP_SYS_ADMIN", "all" as they are written inside; `flag` is "CapAdd" or "CapDrop". */
function normalize(names: readonly string[], flag: string): string[] {
  return names.map((name) => {
    const upper = name.toUpperCase();
    if (upper === "ALL") return upper;
    const full = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    if (NAMES.includes(full)) return full;
    throw new UserError(`invalid ${flag}: unknown capability: ${JSON.stringify(full)}`);
  });
}

/**
 * The capabilities of a container from --cap-add, --cap-drop and --privileged, as docker computes
 * them: ALL added is everything but what is dropped by name; ALL dropped leaves what is added;
 * otherwise drop first, then add. Throws UserError with docker's text for an unknown name.
 */
export function tweakCapabilities(
  add: readonly string[],
  drop: readonly string[],
  privileged = false,
): string[] {
  if (privileged) return [...NAMES];
  const added = normalize(add, "CapAdd");
  const dropped = normalize(drop, "CapDrop");
  if (added.includes("ALL")) return NAMES.filter((name) => !dropped.includes(name));
  const kept = dropped.includes("ALL")
    ? []
    : DEFAULT_CAPABILITIES.filter((name) => !dropped.includes(name));
  return [...new Set([...kept, ...added])];
}

/** Sets of a process as masks, for capset(2) and prctl(2). */
export interface CapabilityMasks {
  bounding: bigint;
  effective: bigint;
  inheritable: bigint;
  permitted: bigint;
  ambient: bigint;
}

/** The masks of `sets`; an absent set is empty. Throws UserError for an unknown name. */
export function capabilityMasks(sets: Capabilities): CapabilityMasks {
  return {
    bounding: capabilityMask(sets.bounding ?? []),
    effective: capabilityMask(sets.effective ?? []),
    inheritable: capabilityMask(sets.inheritable ?? []),
    permitted: capabilityMask(sets.permitted ?? []),
    ambient: capabilityMask(sets.ambient ?? []),
  };
}

/** Masks and what was taken away from them, one sentence for the user. */
export interface NarrowedCapabilities {
  masks: CapabilityMasks;
  warnings: string[];
}

/**
 * Cuts `masks` down to `available`, the runtime's own bounding set: the kernel gives no process
 * more. Bits above the kernel's last capability are cut without a word.
 */
export function narrowCapabilities(
  masks: CapabilityMasks,
  available: bigint,
): NarrowedCapabilities {
  const wanted = masks.bounding | masks.effective | masks.inheritable | masks.permitted |
    masks.ambient;
  const missing = capabilityNames(wanted & ~available);
  const narrowed: CapabilityMasks = {
    bounding: masks.bounding & available,
    effective: masks.effective & available,
    inheritable: masks.inheritable & available,
    permitted: masks.permitted & available,
    ambient: masks.ambient & available,
  };
  if (missing.length === 0) return { masks: narrowed, warnings: [] };
  const warning = `This host does not have ${missing.join(", ")} to give. Capabilities discarded.`;
  return { masks: narrowed, warnings: [warning] };
}

/** One line of /proc/PID/status, e.g. "CapBnd", as a mask. Throws SyntaxError if it is not there. */
export function capabilitiesOf(statusText: string, line = "CapBnd"): bigint {
  const match = new RegExp(`^${line}:\\s*([0-9a-f]{1,16})$`, "m").exec(statusText);
  if (match === null) throw new SyntaxError(`Cannot read ${line}: not in the process's status`);
  return BigInt(`0x${match[1]}`);
}
