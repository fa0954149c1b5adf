/** Namespaces: which are new, which are joined, and in what order. Source: namespaces(7), setns(2). */
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  O_CLOEXEC,
  O_RDONLY,
  O_WRONLY,
} from "../../ffi/constants.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { addressIn, type Place, slot, type Step, textBlock } from "../../ffi/program.ts";
import { ownUserNamespace } from "../base/own_namespace.ts";
import { closeStep } from "./paths.ts";
import type { Namespace, NamespaceType } from "./spec_types.ts";

/** The clone flag of each kind. */
export const NAMESPACE_FLAG: Record<NamespaceType, number> = {
  user: CLONE_NEWUSER,
  pid: CLONE_NEWPID,
  mount: CLONE_NEWNS,
  network: CLONE_NEWNET,
  ipc: CLONE_NEWIPC,
  uts: CLONE_NEWUTS,
  cgroup: CLONE_NEWCGROUP,
  time: CLONE_NEWTIME,
};

/** How the kernel names each kind under /proc/PID/ns. */
export const NAMESPACE_FILE: Record<NamespaceType, string> = {
  user: "user",
  pid: "pid",
  mount: "mnt",
  network: "net",
  ipc: "ipc",
  uts: "uts",
  cgroup: "cgroup",
  time: "time",
};

/**
 * The flags of those namespaces in which process `pid` is as we are. Root of a user namespace has no
 * right to enter the machine's own, even when it is there already; undefined for the machine's
 * root, who has.
 */
export function sharedNamespaces(pid: number): number | undefined {
  if (ownUserNamespace() === undefined) return undefined;
  let flags = 0;
  for (const [type, file] of Object.entries(NAMESPACE_FILE) as [NamespaceType, string][]) {
    if (
      Deno.readLinkSync(`/proc/${pid}/ns/${file}`) === Deno.readLinkSync(`/proc/self/ns/${file}`)
    ) {
      flags |= NAMESPACE_FLAG[type];
    }
  }
  return flags;
}

/** Which namespaces of a container's first process a newcomer enters. */
export interface Joined {
  /** The container has a user namespace of its own: it is joined too. */
  readonly userNamespace: boolean;
  /** CLONE_NEW… flags of namespaces that it shares with us; see `sharedNamespaces`. */
  readonly shared?: number;
}

/** What setns(2) is asked for with the pidfd of the container's first process. */
export function joinFlags({ userNamespace, shared = 0 }: Joined): number {
  const all = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
    CLONE_NEWCGROUP | (userNamespace ? CLONE_NEWUSER : 0);
  return all & ~shared;
}

/** A namespace to enter: by a path on the host or by a descriptor that is already open. */
export interface Join {
  readonly type: NamespaceType;
  readonly from: string | number;
}

/** What the clone makes, what is joined before it, what the child joins or makes itself. */
export interface NamespacePlan {
  /** Flags of the clone that makes the container's first process. */
  readonly cloneFlags: number;
  /** Joined by the process that clones: user and pid namespaces count for children only. */
  readonly before: readonly Join[];
  readonly inside: readonly Join[];
  /** The cgroup namespace is made after the cgroup was entered, else it shows the wrong root. */
  readonly newCgroup: boolean;
  /** The time namespace is made by init itself: its clocks are set before anybody is in it. */
  readonly newTime: boolean;
}

/** Sorts the namespaces of a bundle; `open` replaces paths by descriptors opened beforehand. */
export function planNamespaces(
  namespaces: readonly Namespace[],
  open: Partial<Record<NamespaceType, number>> = {},
): NamespacePlan {
  let cloneFlags = 0, newCgroup = false, newTime = false;
  const before: Join[] = [], inside: Join[] = [];
  for (const { type, path } of namespaces) {
    const from = open[type] ?? (path === "" ? undefined : path);
    if (from !== undefined) {
      (type === "user" || type === "pid" ? before : inside).push({ type, from });
    } else if (type === "cgroup") newCgroup = true;
    else if (type === "time") newTime = true;
    else cloneFlags |= NAMESPACE_FLAG[type];
  }
  // A user namespace first: it gives the right to join the others.
  before.sort((a, b) => Number(b.type === "user") - Number(a.type === "user"));
  // The mount namespace last: paths of the others are looked up before it changes.
  inside.sort((a, b) => Number(a.type === "mount") - Number(b.type === "mount"));
  return { cloneFlags: cloneFlags >>> 0, before, inside, newCgroup, newTime };
}

/** Opens all, then enters all: the paths mean the same for each of them. */
export function joinSteps(joins: readonly Join[]): Step[] {
  const opened = joins.map((join) => ({ join, fd: slot(`${join.type} namespace`) }));
  const goal = ({ type, from }: Join) => `join the ${type} namespace ${from}`;
  return [
    ...opened.flatMap(({ join, fd }): Step[] =>
      typeof join.from === "number" ? [] : [{
        call: "openat",
        args: [AT_FDCWD, join.from, O_RDONLY | O_CLOEXEC],
        goal: goal(join),
        result: fd,
      }]
    ),
    ...opened.flatMap(({ join, fd }): Step[] => {
      const from = typeof join.from === "number" ? join.from : fd;
      return [{ call: "setns", args: [from, NAMESPACE_FLAG[join.type]], goal: goal(join) }, {
        ...closeStep(from),
      }];
    }),
  ];
}

/**
 * Makes a time namespace, sets its clocks (`offsets`: lines of /proc/PID/timens_offsets), enters
 * it. time_namespaces(7).
 */
export function newTimeNamespace(offsets: string): Step[] {
  const goal = "make a time namespace";
  const file = slot("offsets"), namespace = slot("time namespace");
  const text = textBlock("offsets", offsets);
  const open = (path: string, flags: number, result: Place): Step => ({
    call: "openat",
    args: [AT_FDCWD, path, flags | O_CLOEXEC, 0],
    goal,
    result,
  });
  return [
    { call: "unshare", args: [CLONE_NEWTIME], goal },
    ...(offsets === "" ? [] : [
      open("/proc/self/timens_offsets", O_WRONLY, file),
      {
        call: "write",
        args: [file, addressIn(text), text.bytes.length - 1],
        goal: "set the clocks of the time namespace",
      } satisfies Step,
      closeStep(file),
    ]),
    open("/proc/self/ns/time_for_children", O_RDONLY, namespace),
    { call: "setns", args: [namespace, CLONE_NEWTIME], goal },
    closeStep(namespace),
  ];
}

/** `linux.timeOffsets` as the kernel's file takes it. */
export function timeOffsetLines(
  offsets: Readonly<Record<string, { secs?: number; nanosecs?: number }>>,
): string {
  return Object.entries(offsets)
    .map(([clock, { secs = 0, nanosecs = 0 }]) => `${clock} ${secs} ${nanosecs}\n`).join("");
}

/** Makes the cgroup namespace, with the container's own cgroup as its root. */
export function newCgroupNamespace(): Step {
  return { call: "unshare", args: [CLONE_NEWCGROUP], goal: "make a cgroup namespace" };
}
