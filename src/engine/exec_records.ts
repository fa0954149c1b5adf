/**
 * Processes of `exec` that are made first and started later, as docker's API does it: what was
 * asked for and what became of it lies in the container's run directory, and goes with its run.
 */
import { UserError } from "../base/errors.ts";
import { isAbsent, makeDirectories, namesIn, readIfThere, writeAtomic } from "../base/files.ts";
import { containerRunDirectory, runDirectory } from "../base/places.ts";
import { newId } from "./containers.ts";
import { containerEvent, emitEvents } from "./events.ts";
import { type ExecRequest, runningContainer } from "./exec.ts";
import { execCommand } from "./exec_words.ts";
import { isAlive, processStartTime } from "./state.ts";

/** What of a process is connected to the client that starts it. */
export interface ExecStreamsWish {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** One such process. */
export interface ExecRecord {
  readonly id: string;
  readonly container: string;
  readonly request: ExecRequest;
  readonly attach: ExecStreamsWish;
  readonly detachKeys: string;
  /** Absent: it was not started yet. Number 0: it runs without a client, under a parent of its own. */
  readonly process?: { readonly pid: number; readonly startTime: string };
  /** Absent: it has not ended, or nobody saw it. */
  readonly exitCode?: number;
}

export const execsDirectory = (container: string) => `${containerRunDirectory(container)}/execs`;
const pathOf = (container: string, id: string) => `${execsDirectory(container)}/${id}.json`;

function write(record: ExecRecord): void {
  writeAtomic(pathOf(record.container, record.id), JSON.stringify(record), false);
}

/** Notes a process to be started in container `container`. Throws UserError where none can be. */
export function createExec(
  container: string,
  request: ExecRequest,
  attach: ExecStreamsWish,
  detachKeys: string,
): ExecRecord {
  const { record } = runningContainer(container);
  const id = newId();
  makeDirectories(execsDirectory(container));
  const exec = { id, container, request: { ...request, execID: id }, attach, detachKeys };
  write(exec);
  emitEvents([containerEvent(record, `exec_create: ${execCommand(request.args)}`, { execID: id })]);
  return exec;
}

/** The process with this id. Throws UserError with docker's text. */
export function findExec(id: string): ExecRecord {
  if (/^[0-9a-f]{64}$/.test(id)) {
    for (const container of namesIn(`${runDirectory()}/containers`)) {
      const text = readIfThere(pathOf(container, id));
      if (text !== undefined) return JSON.parse(text);
    }
  }
  throw new UserError(`No such exec instance: ${id}`);
}

/** Takes the right to start it, which there is once. Throws UserError with docker's text. */
export function claimExec({ id, container }: ExecRecord): void {
  runningContainer(container);
  try {
    Deno.writeTextFileSync(`${execsDirectory(container)}/${id}.claimed`, "", { createNew: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    throw new UserError(`Exec command ${id} has already run`);
  }
}

/** Notes that it runs. */
export function noteExecStart(exec: ExecRecord, pid: number): void {
  write({ ...exec, process: { pid, startTime: processStartTime(pid) ?? "" } });
}

/** Notes how it ended; nothing when it is known no more, or was not made by the API. */
export function noteExecEnd(container: string, id: string, exitCode: number): void {
  const text = readIfThere(pathOf(container, id));
  if (text === undefined) return;
  try {
    write({ ...JSON.parse(text), exitCode });
  } catch (error) {
    if (!isAbsent(error)) throw error; // the container's run has just ended
  }
}

/** Whether it has been started, and neither it nor its container have ended. */
export function isRunning({ process, exitCode }: ExecRecord): boolean {
  if (process === undefined || exitCode !== undefined) return false;
  return process.pid === 0 || isAlive(process.pid, process.startTime);
}

/** The ids of those that run in a container. */
export function runningExecs(container: string): string[] {
  return namesIn(execsDirectory(container)).filter((name) => name.endsWith(".json"))
    .map((name) => name.slice(0, -5))
    .filter((id) => {
      const text = readIfThere(pathOf(container, id));
      return text !== undefined && isRunning(JSON.parse(text));
    });
}
