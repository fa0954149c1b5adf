/** How the kernel schedules the process: sched_setattr(2), ioprio_set(2). */
import { StructWriter } from "../../ffi/bytes.ts";
import { addressIn, block, type Step } from "../../ffi/program.ts";
import { UserError } from "../base/errors.ts";
import type { Process, Scheduler } from "./spec_types.ts";

/** linux/sched.h */
const POLICIES: Record<string, number> = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
};
/** linux/sched.h */
const FLAGS: Record<string, number> = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
};
/** linux/ioprio.h */
const IO_CLASSES: Record<string, number> = {
  IOPRIO_CLASS_RT: 1,
  IOPRIO_CLASS_BE: 2,
  IOPRIO_CLASS_IDLE: 3,
};
const IO_CLASS_SHIFT = 13, IOPRIO_WHO_PROCESS = 1;
/** Size of the first version of struct sched_attr, all that OCI can say. */
const SCHED_ATTR_BYTES = 48;

function lookUp(table: Record<string, number>, name: string, what: string): number {
  if (Object.hasOwn(table, name)) return table[name];
  throw new UserError(`Cannot use ${what} "${name}": unknown`);
}

/** struct sched_attr. Throws UserError for an unknown policy or flag. */
function schedulerAttributes(scheduler: Scheduler): Uint8Array<ArrayBuffer> {
  const flags = (scheduler.flags ?? [])
    .reduce((bits, flag) => bits | lookUp(FLAGS, flag, "scheduler flag"), 0);
  return new StructWriter(SCHED_ATTR_BYTES)
    .u32(SCHED_ATTR_BYTES)
    .u32(lookUp(POLICIES, scheduler.policy, "scheduler policy"))
    .u64(flags)
    .u32(scheduler.nice ?? 0)
    .u32(scheduler.priority ?? 0)
    .u64(scheduler.runtime ?? 0)
    .u64(scheduler.deadline ?? 0)
    .u64(scheduler.period ?? 0)
    .done();
}

/** The number of ioprio_set(2). Throws UserError for an unknown class. */
function ioPriority(
  { class: name, priority = 0 }: { class: string; priority?: number },
): number {
  return (lookUp(IO_CLASSES, name, "I/O priority class") << IO_CLASS_SHIFT) | priority;
}

/** `process.scheduler` and `process.ioPriority`, while there is the right to raise them. */
export function schedulerSteps({ scheduler, ioPriority: io }: Process): Step[] {
  const steps: Step[] = [];
  if (scheduler) {
    const attributes = block("scheduler", schedulerAttributes(scheduler));
    steps.push({
      call: "sched_setattr",
      args: [0, addressIn(attributes), 0],
      goal: `set the scheduler ${scheduler.policy}`,
    });
  }
  if (io) {
    steps.push({
      call: "ioprio_set",
      args: [IOPRIO_WHO_PROCESS, 0, ioPriority(io)],
      goal: `set the I/O priority ${io.class}`,
    });
  }
  return steps;
}
