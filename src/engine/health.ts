/** Health checks: starting the program that makes them, and what follows from their results. */
import { O_RDWR, SIGKILL } from "../../ffi/constants.ts";
import { executable } from "../../ffi/elf.ts";
import { lockFile, openAt } from "../../ffi/fd.ts";
import { check, sys } from "../../ffi/libc.ts";
import { ownCommand } from "../base/self.ts";
import { openDoor } from "../runtime/cgroup.ts";
import { openCgroup } from "../runtime/cgroup_place.ts";
import { execute } from "../runtime/execute.ts";
import { freezerOf } from "../runtime/freezer.ts";
import type { HealthPlan, HealthTimes } from "../runtime/health_plan.ts";
import { healthProgram } from "../runtime/health_program.ts";
import { sharedNamespaces } from "../runtime/namespaces.ts";
import { compileSeccomp } from "../runtime/seccomp_compile.ts";
import { readRecord, shortId } from "./containers.ts";
import { emitContainerEvent } from "./events.ts";
import { openFirstProcess, processOf, readBundle } from "./exec.ts";
import { healthFile } from "./health_state.ts";
import { stateOf } from "./state.ts";
import type { ContainerRecord, HealthConfig } from "./types.ts";

/** docker's defaults, in nanoseconds. */
const DEFAULT_INTERVAL_NS = 30e9, DEFAULT_TIMEOUT_NS = 30e9, DEFAULT_START_INTERVAL_NS = 5e9;
const DEFAULT_RETRIES = 3;

/** A health check's times with docker's defaults for what is 0 or absent. */
export function healthTimes(health: HealthConfig): HealthTimes {
  return {
    intervalNs: health.Interval || DEFAULT_INTERVAL_NS,
    timeoutNs: health.Timeout || DEFAULT_TIMEOUT_NS,
    startPeriodNs: health.StartPeriod ?? 0,
    startIntervalNs: health.StartInterval || DEFAULT_START_INTERVAL_NS,
    retries: health.Retries || DEFAULT_RETRIES,
  };
}

/** What is executed for a check: the words of CMD, or a line for the container's shell. */
export function healthCommand(
  { Healthcheck, Shell }: Pick<ContainerRecord["Config"], "Healthcheck" | "Shell">,
): string[] {
  const [kind, ...words] = Healthcheck?.Test ?? [];
  const shell = Shell && Shell.length > 0 ? Shell : ["/bin/sh", "-c"];
  return kind === "CMD-SHELL" ? [...shell, ...words] : words;
}

/**
 * Starts the health program of a container that has just been started. It ends with the
 * container. Throws SyscallError when it cannot be started; a container that ends meanwhile takes
 * with it what the start looks at, and needs no checks.
 */
export function startHealthChecks(record: ContainerRecord): void {
  try {
    launchHealthProgram(record);
  } catch (error) {
    if (stateOf(record.Id).kind === "running") throw error;
  }
}

function launchHealthProgram(record: ContainerRecord): void {
  const state = stateOf(record.Id);
  if (state.kind !== "running") return; // it has ended already
  const { run } = state;
  const spec = readBundle(record.Id);
  const request = { args: healthCommand(record.Config), env: [], user: "", workingDir: "" };
  const process = processOf(spec, { ...request, tty: false, privileged: false }, run, []);
  using scope = new DisposableStack();
  const container = scope.use(openFirstProcess(run));
  const cgroup = openCgroup(run.cgroup);
  const door = scope.use(openDoor(cgroup));
  const nullFile = scope.use(openAt(null, "/dev/null", O_RDWR));
  const path = healthFile(record.Id);
  const file = scope.use(lockFile(path)); // the program has the lock as long as it lives
  check(`empty "${path}"`, "ftruncate", file.raw, 0);
  const freezer = freezerOf(cgroup);
  const freezerFile = freezer && scope.use(openAt(null, freezer.file));
  const plan: HealthPlan = {
    times: healthTimes(record.Config.Healthcheck!),
    exec: {
      pidfd: container.raw,
      shared: sharedNamespaces(run.pid),
      userNamespace: spec.linux?.namespaces?.some(({ type }) => type === "user") ?? false,
      process,
      filter: spec.linux?.seccomp &&
        compileSeccomp(spec.linux.seccomp, Deno.build.arch),
      cgroupTasks: door.tasks.map((fd) => fd.raw),
      streams: [0, 1, 2],
      ownedStreams: [1, 2], // the pipe that the check's output comes through
      deathSignal: SIGKILL,
    },
    cgroup: door.into?.raw,
    file: file.raw,
    nullFile: nullFile.raw,
    freezer: freezer && freezerFile && { fd: freezerFile.raw, thawed: freezer.thawed },
    onHealthy: ownCommand("__health", record.Id, "healthy"),
    onUnhealthy: ownCommand("__health", record.Id, "unhealthy"),
  };
  const inherited = [container, file, nullFile, door.into, freezerFile, ...door.tasks]
    .flatMap((fd) => fd === undefined ? [] : [fd.raw]);
  const { bytes } = executable(healthProgram(plan));
  execute(bytes, inherited, ["diplodock-health", shortId(record.Id)], { outlives: true });
}

/** What follows when the health became another one: an event, and what --health-on-failure says. */
export async function healthChanged(id: string, status: "healthy" | "unhealthy"): Promise<void> {
  const record = readRecord(id);
  emitContainerEvent(record, `health_status: ${status}`);
  const action = record.HostConfig.Diplodock?.HealthOnFailure ?? "none";
  if (status !== "unhealthy" || action === "none") return;
  if (action === "kill") return killFirstProcess(id);
  if (action === "stop") return await (await import("./stop.ts")).stopContainer(id);
  await (await import("./restart.ts")).restartContainer(id, {});
}

/** As a death of its own: the restart policy decides what comes next. */
function killFirstProcess(id: string): void {
  const state = stateOf(id);
  if (state.kind !== "running") return;
  using process = openFirstProcess(state.run);
  sys("pidfd_send_signal", process.raw, SIGKILL, 0, 0);
}
