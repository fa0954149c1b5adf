/**
 * Programs of a few steps that `create` leaves beside the container's state, for the head of our
 * executable (build/stub_x86_64.s) to run instead of starting all of Deno: what `start` and
 * `delete` do for a container that is as usual. They only begin what they can finish: each failure
 * ends them with 1, and then the command is done the long way (lifecycle.ts).
 */
import { AT_FDCWD, AT_REMOVEDIR, O_CLOEXEC, O_NONBLOCK, O_WRONLY } from "../../ffi/constants.ts";
import { ENOENT } from "../../ffi/errno.ts";
import { executable } from "../../ffi/elf.ts";
import { addressIn, block, placeIn, type Program, slot, type Step } from "../../ffi/program.ts";
import type { Cgroup } from "./cgroup_place.ts";
import type { OciStore } from "./oci_state.ts";

const FAILED = "quick.failed";

function ends(steps: readonly Step[]): Program {
  return {
    tail: FAILED,
    steps: [
      ...steps,
      { call: "exit_group", args: [0], goal: "end" },
      { call: "exit_group", args: [1], goal: "leave it to the long way", label: FAILED },
    ],
  };
}

/** One byte into the gate; done when init has called execve and told of no failure. Pure. */
export function quickStart(gate: string, failures: string): Program {
  // struct pollfd: the descriptor's number is stored in it, the events stay 0. POLLERR is told
  // without being asked for, when nobody reads the gate any more.
  const wait = block("gate", new Uint8Array(8));
  const file = slot("failures"), byte = block("byte", new Uint8Array(8));
  const goal = "start the container";
  return ends([
    {
      call: "openat",
      args: [AT_FDCWD, gate, O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0],
      goal,
      result: placeIn(wait, 0),
    },
    { call: "write", args: [placeIn(wait, 0), addressIn(byte), 1], goal },
    { call: "unlinkat", args: [AT_FDCWD, gate, 0], goal },
    {
      call: "ppoll",
      args: [addressIn(wait), 1, null, null, 8],
      goal,
      label: "quick.wait",
      onNegative: "@quick.wait", // a signal came
    },
    { call: "openat", args: [AT_FDCWD, failures, O_CLOEXEC, 0], goal, result: file },
    {
      call: "read",
      args: [file, addressIn(byte), 1],
      goal,
      onPositive: `@${FAILED}`,
    },
  ]);
}

/**
 * Removes the cgroups, which the kernel allows only when all processes of the container are gone,
 * and then the state; its record last, because without it there is no container. Pure.
 */
export function quickDelete(cgroups: readonly string[], directory: string): Program {
  const goal = "remove the container";
  const remove = (path: string, flags = 0, allow: number[] = []): Step => (
    { call: "unlinkat", args: [AT_FDCWD, path, flags], goal, allow }
  );
  return ends([
    ...cgroups.map((path) => remove(path, AT_REMOVEDIR)),
    ...["gate", "failure", "start", "delete", "config.json", "state.json"]
      .map((name) => remove(`${directory}/${name}`, 0, [ENOENT])),
    remove(directory, AT_REMOVEDIR),
  ]);
}

/** Leaves both programs, where the long way would not do more. */
export function leavePrograms(store: OciStore, id: string, cgroup: Cgroup, hooks: boolean): void {
  const directory = store.directory(id);
  // Without cgroups nothing tells that all processes are gone; hooks take JavaScript.
  if (hooks || cgroup.version === undefined || !directory.startsWith("/")) return;
  const programs = {
    start: quickStart(store.gate(id), store.failures(id)),
    delete: quickDelete(cgroup.directories.map((place) => place.directory), directory),
  };
  for (const [name, program] of Object.entries(programs)) {
    Deno.writeFileSync(`${directory}/${name}`, executable(program).bytes, { mode: 0o700 });
  }
}
