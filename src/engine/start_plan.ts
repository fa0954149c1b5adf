/**
 * What a start will ask of the kernel, before anything is asked: the bundle of a container and
 * the program of its first process. A start executes it; `explain` prints the same.
 */
import { ownUserNamespace } from "../base/own_namespace.ts";
import { containerCgroupPath } from "../runtime/cgroup.ts";
import type { CgroupDirectory } from "../runtime/cgroup_place.ts";
import { checkSpec } from "../runtime/check.ts";
import { type InitPlan, initProgram } from "../runtime/init.ts";
import { CONSOLE_SOCKET } from "../runtime/monitor.ts";
import { planStart, type StartContext } from "../runtime/plan.ts";
import { REPORT_PIPE } from "../runtime/report.ts";
import type { Spec } from "../runtime/spec_types.ts";
import type { Step } from "../../ffi/program.ts";
import { toSpec } from "./bundle.ts";
import { gatherContext } from "./bundle_facts.ts";
import type { Foundation } from "./foundation.ts";
import type { ContainerRecord } from "./types.ts";
import type { UserNamespacePlan } from "./userns.ts";

/** The checked bundle of a container, with the namespaces that were made for it. */
export async function specOf(
  record: ContainerRecord,
  foundation: Foundation,
  netns: string | undefined,
  userns?: UserNamespacePlan,
): Promise<Spec> {
  const path = containerCgroupPath(record.Id, record.HostConfig.CgroupParent);
  const context = await gatherContext(record, path, foundation);
  if (context.mounts.some(({ propagation }) => propagation !== "" && propagation !== "rprivate")) {
    const { checkPropagation } = await import("./propagation.ts");
    checkPropagation(context.mounts, Deno.readTextFileSync("/proc/self/mountinfo"));
  }
  const own = ownUserNamespace();
  if (userns !== undefined || own !== undefined) {
    const { checkMapped, rangesOf } = await import("./userns.ts");
    const maps = userns && { uids: rangesOf(userns.uids), gids: rangesOf(userns.gids) };
    checkMapped(context.user, maps ?? own!);
  }
  const join = netns === undefined ? context.join : { ...context.join, network: netns };
  const spec = toSpec(record.Config, record.HostConfig, { ...context, join, userns });
  checkSpec(spec);
  return spec;
}

/** What is open when the first process starts, by number. */
export interface Opened {
  /** `tasks` of the container's v1 cgroups. */
  readonly tasks: readonly number[];
  readonly netns?: number;
  readonly userns?: number;
  readonly root?: { readonly fd: number; readonly at: string };
  /** Mounts that were copied from elsewhere, by their index in the bundle. */
  readonly trees?: ReadonlyMap<number, number>;
}

/** The program of a container's first process, and the plan it was made from. */
export interface FirstProcess {
  readonly plan: InitPlan;
  readonly steps: Step[];
}

/** Builds what the container's first process does up to execve. */
export function firstProcess(
  record: ContainerRecord,
  spec: Spec,
  cgroups: readonly CgroupDirectory[],
  opened: Opened,
  more: Partial<StartContext> & Pick<StartContext, "warn">,
): FirstProcess {
  const { Tty, OpenStdin } = record.Config;
  const plan = planStart(spec, {
    failure: { report: REPORT_PIPE, label: "report" },
    cgroupProcs: opened.tasks,
    cgroupHierarchies: cgroups,
    namespaceFds: {
      ...(opened.netns !== undefined && { network: opened.netns }),
      ...(opened.userns !== undefined && { user: opened.userns }),
    },
    mountedRoot: opened.root,
    trees: opened.trees,
    consoleSocket: Tty ? CONSOLE_SOCKET : undefined,
    ownedStreams: [...(OpenStdin ? [0] : []), 1, 2],
    ...more,
  });
  return { plan, steps: initProgram(plan) };
}
