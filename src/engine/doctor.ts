/**
 * What this machine's kernel can do for containers, found by trying: each trial is a throw-away
 * child that makes the calls a container would, so that version numbers, modules, filters around
 * us and missing rights all show in the same way.
 */
import { SyscallError } from "../../ffi/errno.ts";
import { UserError } from "../base/errors.ts";

/** One thing to try. */
export interface Trial {
  readonly feature: string;
  /** The flags of `run`, or the commands, that need it. */
  readonly flags: string;
  /** Without it no container starts. */
  readonly essential?: boolean;
  /** What to do where it fails. */
  readonly remedy: string;
  /** Undefined: it works. A text: it works in part, and why. Throws: why it does not work. */
  run(): string | undefined | Promise<string | undefined>;
}

/** How a trial went. */
export interface Finding {
  readonly feature: string;
  readonly flags: string;
  readonly essential: boolean;
  readonly state: "works" | "partly" | "fails";
  /** Empty when it works. */
  readonly why: string;
  readonly remedy: string;
}

/** All trials of this machine, one after the other. Nothing of them stays. */
export async function examine(): Promise<Finding[]> {
  const { KERNEL_TRIALS } = await import("./doctor_kernel.ts");
  const { MOUNT_TRIALS } = await import("./doctor_mounts.ts");
  const { RESOURCE_TRIALS } = await import("./doctor_resources.ts");
  const { NETWORK_TRIALS } = await import("./doctor_network.ts");
  const findings: Finding[] = [];
  for (const trial of [...KERNEL_TRIALS, ...MOUNT_TRIALS, ...RESOURCE_TRIALS, ...NETWORK_TRIALS]) {
    findings.push(await attempt(trial));
  }
  return findings;
}

/** Runs one trial. Errors that do not tell of the machine are thrown on: they are bugs. */
export async function attempt(trial: Trial): Promise<Finding> {
  const { feature, flags, essential = false, remedy } = trial;
  const found = { feature, flags, essential };
  try {
    const why = await trial.run();
    return why === undefined
      ? { ...found, state: "works", why: "", remedy: "" }
      : { ...found, state: "partly", why, remedy };
  } catch (error) {
    if (!tellsOfTheMachine(error)) throw error;
    return { ...found, state: "fails", why: error.message, remedy };
  }
}

/** A machine that lacks something without a kernel call having failed. */
export class Lacking extends Error {
  override name = "Lacking";
}

function tellsOfTheMachine(error: unknown): error is Error {
  if (error instanceof SyscallError || error instanceof UserError) return true;
  if (error instanceof Lacking) return true;
  return error instanceof Error && Object.values(Deno.errors).some((kind) => error instanceof kind);
}
