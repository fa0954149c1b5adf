/**
 * The cases, one entry each. A case gives every engine that takes part a function that does the
 * thing once and returns what it cost; the runner calls them in turn, so that noise is shared.
 */
import { buildCases } from "./build_cases.ts";
import { type Engine, type EngineName, output } from "./engines.ts";
import { importSmall, LARGE_IMAGE, type Materials, SMALL_IMAGE } from "./materials.ts";
import { timeCall } from "./measure.ts";
import { memoryCases } from "./memory_cases.ts";
import { transferCases } from "./transfer_cases.ts";

/** Does it once; the cost in the case's unit. */
export type Sample = () => Promise<number>;

/** What an engine does before, between and after the samples is not measured. */
export interface Prepared {
  sample: Sample;
  end?: () => Promise<void>;
}

/** One line of the table. */
export interface Case {
  readonly name: string;
  readonly unit: "ms" | "kB" | "MB";
  /** The most that ours may be, as a share of each peer's median. */
  readonly goals: Partial<Record<EngineName, number>>;
  /** The most that ours may be, in the unit. */
  readonly limit?: number;
  readonly runs: number;
  readonly needsLarge?: boolean;
  /** Those who take part; others are not asked. */
  readonly engines: readonly EngineName[];
  prepare(engine: Engine, made: Materials): Promise<Prepared>;
}

const CLI_ENGINES = ["diplodock", "docker", "podman"] as const;

let serial = 0;

/** A name no other container of this run has. */
function freshName(): string {
  return `bench${++serial}`;
}

function call(engine: Engine, ...args: string[]) {
  return { argv: [...engine.argv, ...args], env: engine.env };
}

async function quietly(engine: Engine, ...args: string[]): Promise<void> {
  await output([...engine.argv, ...args], engine.env).catch(() => "");
}

/** `args` are the same words for every engine; `before` and `after` are not timed. */
function timed(
  args: (engine: Engine, made: Materials) => string[],
  before?: (engine: Engine, made: Materials) => Promise<void>,
  after?: (engine: Engine, made: Materials) => Promise<void>,
): Case["prepare"] {
  return (engine, made) =>
    Promise.resolve({
      sample: async () => {
        await before?.(engine, made);
        const elapsedMs = await timeCall(call(engine, ...args(engine, made)));
        await after?.(engine, made);
        return elapsedMs;
      },
    });
}

const RUN_TRUE: Case = {
  name: "run --rm --network none IMAGE true",
  unit: "ms",
  goals: { docker: 0.2, podman: 0.3, runc: 1.6 },
  runs: 20,
  engines: [...CLI_ENGINES, "runc"],
  prepare: (engine, made) =>
    timed(() =>
      engine.name === "runc"
        ? ["run", "--bundle", made.bundle, freshName()]
        : ["run", "--rm", "--network", "none", SMALL_IMAGE, "/bin/true"]
    )(engine, made),
};

const RUN_BRIDGE: Case = {
  name: "run --rm IMAGE true (bridge network)",
  unit: "ms",
  goals: { docker: 0.2, podman: 0.18 },
  runs: 10,
  engines: CLI_ENGINES,
  prepare: timed(() => ["run", "--rm", SMALL_IMAGE, "/bin/true"]),
};

/** `words` about a container that sleeps. */
function besideOne(words: (name: string) => string[]): Case["prepare"] {
  return async (engine) => {
    const name = freshName();
    const run = ["run", "-d", "--name", name, "--network", "none", SMALL_IMAGE, "/bin/sleep"];
    await output([...engine.argv, ...run, "100000"], engine.env);
    return {
      sample: () => timeCall(call(engine, ...words(name))),
      end: () => quietly(engine, "rm", "-f", name),
    };
  };
}

const EXEC_TRUE: Case = {
  name: "exec CONTAINER true",
  unit: "ms",
  goals: { docker: 0.45, podman: 0.2 },
  runs: 20,
  engines: CLI_ENGINES,
  prepare: besideOne((name) => ["exec", name, "/bin/true"]),
};

/**
 * Rates need two readings. Ours are half a second apart, docker's one; podman has no second one, it
 * shows the use of CPU since the start of the container.
 */
const STATS: Case = {
  name: "stats --no-stream of one container",
  unit: "ms",
  goals: { docker: 0.6 },
  runs: 5,
  engines: CLI_ENGINES,
  prepare: besideOne((name) => ["stats", "--no-stream", name]),
};

const OCI_CYCLE: Case = {
  name: "OCI create, start, delete of a bundle",
  unit: "ms",
  goals: { runc: 1.3 },
  runs: 15,
  engines: ["diplodock", "runc"],
  prepare: (engine, made) => {
    const words = engine.name === "runc" ? engine.argv : [...engine.argv, "oci"];
    return Promise.resolve({
      sample: async () => {
        const id = freshName();
        let elapsedMs = 0;
        const verbs = [["create", "--bundle", made.bundle], ["start"], ["delete", "--force"]];
        for (const verb of verbs) {
          elapsedMs += await timeCall({ argv: [...words, ...verb, id], env: engine.env });
        }
        return elapsedMs;
      },
    });
  },
};

const LOG_MEGABYTES = 100;

const LOG_THROUGHPUT: Case = {
  name: `${LOG_MEGABYTES} MB of lines into the log`,
  unit: "ms",
  goals: { docker: 1 },
  runs: 3,
  engines: CLI_ENGINES,
  prepare: (engine) => {
    const line = "0123456789abcdef".repeat(4);
    const script = `yes ${line} | head -c ${LOG_MEGABYTES}000000`;
    return Promise.resolve({
      sample: async () => {
        const name = freshName();
        const run = ["run", "--name", name, "--network", "none", SMALL_IMAGE, "/bin/sh", "-c"];
        const elapsedMs = await timeCall(call(engine, ...run, script));
        await quietly(engine, "rm", "-f", name);
        return elapsedMs;
      },
    });
  },
};

const START_MANY: Case = {
  name: "50 containers started at once (bridge network)",
  unit: "ms",
  goals: { docker: 0.5 },
  runs: 1,
  engines: ["diplodock", "docker"],
  prepare: (engine) =>
    Promise.resolve({
      sample: async () => {
        const names = Array.from({ length: 50 }, freshName);
        const start = performance.now();
        await Promise.all(
          names.map((name) =>
            timeCall(call(engine, "run", "-d", "--name", name, SMALL_IMAGE, "/bin/sleep", "10000"))
          ),
        );
        const elapsedMs = performance.now() - start;
        await quietly(engine, "rm", "-f", ...names);
        return elapsedMs;
      },
      end: () => Promise.resolve(),
    }),
};

const LOAD: Case = {
  name: "load a 204 MB image",
  unit: "ms",
  goals: { docker: 0.25, podman: 0.25 },
  runs: 3,
  needsLarge: true,
  engines: CLI_ENGINES,
  prepare: timed(
    (_, made) => ["load", "-i", made.largeArchive],
    (engine) => quietly(engine, "rmi", "-f", LARGE_IMAGE),
  ),
};

const SAVE: Case = {
  name: "save it",
  unit: "ms",
  goals: { docker: 0.5 },
  runs: 3,
  needsLarge: true,
  engines: CLI_ENGINES,
  prepare: timed(
    (engine, made) => ["save", "-o", `${made.work}/saved-${engine.name}.tar`, LARGE_IMAGE],
    loadLarge,
    (engine, made) => Deno.remove(`${made.work}/saved-${engine.name}.tar`),
  ),
};

const COMMIT: Case = {
  name: "commit one changed file of it",
  unit: "ms",
  goals: { docker: 0.3 },
  runs: 5,
  needsLarge: true,
  engines: CLI_ENGINES,
  prepare: async (engine, made) => {
    await loadLarge(engine, made);
    const name = freshName();
    const run = ["run", "--name", name, "--network", "none", LARGE_IMAGE, "/bin/touch"];
    await output([...engine.argv, ...run, "/data/1/file1"], engine.env);
    return {
      sample: async () => {
        const elapsedMs = await timeCall(call(engine, "commit", name, "bench-commit"));
        await quietly(engine, "rmi", "-f", "bench-commit");
        return elapsedMs;
      },
      end: () => quietly(engine, "rm", "-f", name),
    };
  },
};

/** Loads the large image unless the engine has it. */
async function loadLarge(engine: Engine, made: Materials): Promise<void> {
  try {
    await output([...engine.argv, "image", "inspect", LARGE_IMAGE], engine.env);
  } catch {
    await output([...engine.argv, "load", "-i", made.largeArchive], engine.env);
  }
}

/** All cases in the order of the table. */
export const CASES: readonly Case[] = [
  RUN_TRUE,
  RUN_BRIDGE,
  EXEC_TRUE,
  STATS,
  OCI_CYCLE,
  LOG_THROUGHPUT,
  START_MANY,
  LOAD,
  SAVE,
  COMMIT,
  ...buildCases,
  ...transferCases,
  ...memoryCases,
];

/** What every engine must have before the first case. */
export async function fill(engine: Engine, made: Materials): Promise<void> {
  await importSmall(engine, made);
}
