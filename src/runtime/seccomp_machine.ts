/** Names of instruction sets as seccomp's formats write them, and what the kernel calls them. */
import { UserError } from "../base/errors.ts";
import type { SeccompMachine } from "./seccomp_numbers.ts";

/** The machines Diplodock runs on, as Deno names them. */
export type Arch = "x86_64" | "aarch64";

/** `arch` of seccomp_data, AUDIT_ARCH_*. linux/audit.h. */
export const AUDIT_ARCH: Record<Exclude<SeccompMachine, "x32">, number> = {
  x86_64: 0xc000003e,
  x86: 0x40000003,
  aarch64: 0xc00000b7,
  arm: 0x40000028,
};

/** Go's name of each machine, as `includes.arches` of a profile has it. */
export const GO_ARCH: Record<Arch, string> = { x86_64: "amd64", aarch64: "arm64" };

/** OCI's name of the machine itself. */
export const OCI_ARCH: Record<Arch, string> = {
  x86_64: "SCMP_ARCH_X86_64",
  aarch64: "SCMP_ARCH_AARCH64",
};

/** OCI's names of the instruction sets that one machine can execute. */
const MACHINES: Record<Arch, Record<string, SeccompMachine>> = {
  x86_64: { SCMP_ARCH_X86_64: "x86_64", SCMP_ARCH_X86: "x86", SCMP_ARCH_X32: "x32" },
  aarch64: { SCMP_ARCH_AARCH64: "aarch64", SCMP_ARCH_ARM: "arm" },
};

/** OCI's names of all instruction sets that a filter can be made for. */
export function instructionSets(): string[] {
  return Object.values(MACHINES).flatMap((sets) => Object.keys(sets)).sort();
}

/** Every name the runtime specification has (config-linux.md, seccomp). */
const KNOWN = new Set(
  ("X86 X86_64 X32 ARM AARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 " +
    "PPC64LE S390 S390X PARISC PARISC64 RISCV64 LOONGARCH64 M68K SH SHEB")
    .split(" ").map((name) => `SCMP_ARCH_${name}`),
);

/**
 * The instruction sets of `arch` that `names` lists, the machine's own always among them. Those
 * of other machines are left out: no such call can arrive. Throws UserError for no name at all.
 */
export function filterMachines(names: readonly string[], arch: Arch): SeccompMachine[] {
  const machines: SeccompMachine[] = [arch];
  for (const name of names) {
    if (!KNOWN.has(name)) {
      throw new UserError(`Cannot use seccomp architecture "${name}": unknown`);
    }
    const machine = MACHINES[arch][name];
    if (machine !== undefined && !machines.includes(machine)) machines.push(machine);
  }
  return machines;
}
