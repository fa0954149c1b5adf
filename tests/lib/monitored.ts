/** Starts shell commands under a monitor, without namespaces, for the tests of the monitor. */
import { SIGKILL } from "../../ffi/constants.ts";
import { type Step, stringArray } from "../../ffi/program.ts";
import { sys } from "../../ffi/libc.ts";
import { restoreSignals } from "../../ffi/spawn.ts";
import { type MonitoredStart, type Started, startMonitored } from "../../src/runtime/monitor.ts";
import { EXITED, STDERR, STDOUT } from "../../src/runtime/monitor_protocol.ts";
import { waitFor } from "./engine.ts";

/** Steps that execute `command` with /bin/sh. */
export function shell(command: string): Step[] {
  const env = stringArray("envp", ["PATH=/usr/local/bin:/usr/bin:/bin"]);
  const argv = stringArray("argv", ["sh", "-c", command]);
  return [...restoreSignals(), { call: "execve", args: ["/bin/sh", argv, env], goal: "start sh" }];
}

/** A started command, its directories, and what is there to clean up. */
export interface Monitored extends AsyncDisposable, Started {
  readonly directory: string;
  readonly runtime: string;
  /** Waits until the file `cleaned` exists: the monitor's clean-up command has run. */
  cleaned(): Promise<void>;
}

/** Starts `command`; everything that `more` leaves out is the simplest there is. */
export function startShell(command: string, more: Partial<MonitoredStart> = {}): Monitored {
  const directory = Deno.makeTempDirSync(), runtime = Deno.makeTempDirSync();
  const removeBoth = () =>
    [directory, runtime].forEach((path) => Deno.removeSync(path, { recursive: true }));
  try {
    const started = startMonitored({
      id: "test",
      init: { steps: shell(command), flags: 0, keep: [] },
      stdio: { kind: "pipes", stdin: "null" },
      directory,
      runtime,
      log: { maxBytes: Infinity, maxFiles: 1 },
      cleanup: { file: "/bin/touch", argv: ["touch", `${directory}/cleaned`], env: [] },
      ...more,
    });
    return {
      ...started,
      directory,
      runtime,
      cleaned: () => until(() => exists(`${directory}/cleaned`)),
      async [Symbol.asyncDispose]() {
        sys("kill", started.pid, SIGKILL);
        started.client[Symbol.dispose]();
        await until(() => sys("wait4", started.monitorPid, 0, 1, 0) !== 0);
        removeBoth();
      },
    };
  } catch (error) {
    removeBoth();
    throw error;
  }
}

/** Whether `path` is there. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Waits until `condition` holds; throws after two minutes. */
export async function until(condition: () => boolean): Promise<void> {
  await waitFor(condition, 120_000);
}

/** All output until the end, as text per stream. */
export function collect({ client }: Started): { stdout: string; stderr: string } {
  const decoder = new TextDecoder();
  let stdout = "", stderr = "";
  for (let packet = client.receive(); packet !== undefined; packet = client.receive()) {
    if (packet.kind === STDOUT) stdout += decoder.decode(packet.bytes);
    if (packet.kind === STDERR) stderr += decoder.decode(packet.bytes);
    if (packet.kind === EXITED) break;
  }
  return { stdout, stderr };
}
