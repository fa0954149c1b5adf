/** Cases about memory: what a container that does nothing costs beside its own process. */
import type { Case } from "./cases.ts";
import { type Engine, output } from "./engines.ts";
import { SMALL_IMAGE } from "./materials.ts";

const IDLE_CONTAINERS = 200;

/** A field of /proc/PID/status or smaps_rollup in kB; 0 when the process is gone. */
function field(path: string, name: string): number {
  try {
    const line = Deno.readTextFileSync(path).split("\n").find((row) => row.startsWith(`${name}:`));
    return line === undefined ? 0 : parseInt(line.slice(name.length + 1));
  } catch {
    return 0;
  }
}

/**
 * What of the kernel's own memory cannot be given back, in kB. Not the free memory: what other
 * programs of the machine take meanwhile would be in it.
 */
function kernelMemory(): number {
  const kinds = ["SUnreclaim", "KernelStack", "PageTables", "Percpu"];
  return kinds.reduce((sum, kind) => sum + field("/proc/meminfo", kind), 0);
}

/** What a process has to itself, in kB, with its program where that is a file in memory. */
function ownMemory(pid: number): number {
  const { blocks, nlink } = Deno.statSync(`/proc/${pid}/exe`);
  const program = nlink === 0 ? blocks! / 2 : 0;
  return field(`/proc/${pid}/status`, "RssAnon") + program;
}

/** The parents of all processes, by pid. */
function parents(): Map<number, number> {
  const found = new Map<number, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (/^\d+$/.test(name)) found.set(Number(name), field(`/proc/${name}/status`, "PPid"));
  }
  return found;
}

/** Starts `count` containers that sleep; their names. */
async function startIdle(engine: Engine, count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, index) => `idle${Deno.pid}x${index}`);
  for (const name of names) {
    const run = ["run", "-d", "--name", name, "--network", "none", SMALL_IMAGE, "/bin/sleep"];
    await output([...engine.argv, ...run, "100000"], engine.env);
  }
  return names;
}

async function initPids(engine: Engine, names: string[]): Promise<number[]> {
  const inspect = [...engine.argv, "inspect", "-f", "{{.State.Pid}}", ...names];
  return (await output(inspect, engine.env)).split("\n").map(Number);
}

function removal(engine: Engine, names: string[]): () => Promise<void> {
  return async () => void await output([...engine.argv, "rm", "-f", ...names], engine.env);
}

const MONITOR: Case = {
  name: "resident memory of a container's monitor",
  unit: "kB",
  goals: { docker: 0.1, podman: 0.1 },
  limit: 64,
  runs: 1,
  engines: ["diplodock", "docker", "podman"],
  prepare: async (engine) => {
    const names = await startIdle(engine, 1);
    const [pid] = await initPids(engine, names);
    const parent = parents().get(pid) ?? 0;
    return {
      sample: () => Promise.resolve(field(`/proc/${parent}/status`, "VmRSS")),
      end: removal(engine, names),
    };
  },
};

const IDLE: Case = {
  name: `memory of ${IDLE_CONTAINERS} idle containers, the kernel's included`,
  unit: "MB",
  goals: {},
  limit: 100,
  runs: 1,
  engines: ["diplodock"],
  prepare: async (engine) => {
    await removal(engine, await startIdle(engine, 1))(); // what is made once
    const before = kernelMemory();
    const names = await startIdle(engine, IDLE_CONTAINERS);
    const pids = await initPids(engine, names);
    const parent = parents();
    return {
      sample: () => {
        const own = pids.flatMap((pid) => [pid, parent.get(pid) ?? pid])
          .reduce((sum, pid) => sum + ownMemory(pid), 0);
        return Promise.resolve((kernelMemory() - before + own) / 1024);
      },
      end: removal(engine, names),
    };
  },
};

/** The memory rows of the table. */
export const memoryCases: readonly Case[] = [MONITOR, IDLE];
