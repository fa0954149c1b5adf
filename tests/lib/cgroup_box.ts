/** Cgroups for tests: made below a parent of this test run's own, emptied and removed at the end. */
import { stringArray } from "../../ffi/program.ts";
import { type Child, reap, restoreSignals, spawn } from "../../ffi/spawn.ts";
import { createCgroup, openDoor, removeCgroup } from "../../src/runtime/cgroup.ts";
import { type Cgroup, openCgroup } from "../../src/runtime/cgroup_place.ts";
import { openControl } from "../../src/runtime/cgroup_files.ts";
import { cgroupLayout, hierarchyOf } from "../../src/runtime/cgroup_layout.ts";
import { killCgroup } from "../../src/runtime/cgroup_processes.ts";
import type { Resources } from "../../src/runtime/spec_types.ts";

const PARENT = `/diplodock-test-${Deno.pid}`;
let made = 0;

/** Why cgroups cannot be tested here, or undefined. */
export function whyNoCgroups(): string | undefined {
  if (Deno.uid() !== 0) return "needs root";
  return cgroupLayout().version === undefined ? "no cgroups are mounted" : undefined;
}

/** Whether this machine can limit what `controller` does: v1 mounts it, or v2 has it. */
export function hasController(controller: string): boolean {
  const hierarchy = hierarchyOf(cgroupLayout(), controller);
  if (hierarchy === undefined || hierarchy.version === 1) return hierarchy !== undefined;
  return Deno.readTextFileSync(`${hierarchy.mountPoint}/cgroup.controllers`)
    .split(/\s+/).includes(controller);
}

/** A cgroup, what was said when it was made, and a directory for what its processes write. */
export interface Box {
  cgroup: Cgroup;
  warnings: readonly string[];
  directory: string;
  /** Starts `sh -c script` in the cgroup, its working directory being `directory`. */
  start(script: string): Child;
  /** Starts it and waits: the exit code, or 128 plus the signal. */
  run(script: string): number;
  /** The text of a file that a script wrote. */
  read(file: string): string;
}

/** Runs `body` with a cgroup that has `resources`; removes cgroup and processes in any case. */
export async function withCgroup(
  resources: Resources,
  body: (box: Box) => void | Promise<void>,
): Promise<void> {
  const directory = Deno.makeTempDirSync();
  const path = `${PARENT}/box${made++}`;
  const children: Child[] = [];
  try {
    const { cgroup, warnings } = await createCgroup(path, resources);
    const start = (script: string) => {
      const child = startIn(cgroup, `cd ${directory} || exit 99\n${script}`);
      children.push(child);
      return child;
    };
    await body({
      cgroup,
      warnings,
      directory,
      start,
      run: (script) => {
        const child = start(script);
        children.pop();
        return exitCode(reap(child));
      },
      read: (file) => Deno.readTextFileSync(`${directory}/${file}`),
    });
  } finally {
    killCgroup(openCgroup(path));
    for (const child of children) reap(child);
    await removeCgroup(openCgroup(path));
    await removeCgroup(openCgroup(PARENT));
    Deno.removeSync(directory, { recursive: true });
  }
}

/** The exit code in a wait status, 128 plus the signal for a death. */
function exitCode(status: number): number {
  return (status & 0x7f) === 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
}

/** The shell's own way in: "0" into tasks, on v2 into cgroup.procs. */
function startIn(cgroup: Cgroup, script: string): Child {
  using door = openDoor(cgroup);
  using undo = new DisposableStack();
  const v2 = cgroup.directories.filter(({ version }) => version === 2)
    .map(({ directory }) => undo.use(openControl(`${directory}/cgroup.procs`)));
  const args = stringArray("args", ["sh", "-c", script]);
  const env = stringArray("env", ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"]);
  return spawn([
    ...[...door.tasks, ...v2].map(({ raw }) => ({
      call: "write" as const,
      args: [raw, "0", 1],
      goal: "enter the cgroup",
    })),
    ...restoreSignals(),
    {
      call: "execve",
      args: ["/bin/sh", args, env],
      goal: "start sh",
    },
  ]);
}
