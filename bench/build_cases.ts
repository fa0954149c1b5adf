/** Cases that build: all six steps of a Dockerfile, none of them, and those behind a changed file. */
import type { Case } from "./cases.ts";
import { type Engine, output } from "./engines.ts";
import { type Materials, SMALL_IMAGE } from "./materials.ts";
import { timeCall } from "./measure.ts";

const BUILT = "bench-built";
const FILES = 200;

const DOCKERFILE = `FROM ${SMALL_IMAGE}
COPY lib /app/lib
RUN cat /app/lib/* > /app/joined
COPY main.txt /app/
RUN cat /app/joined /app/main.txt > /app/made && touch /tmp/built
CMD ["/bin/cat", "/app/made"]
`;

/** A context of the engine's own: a change is one for its cache alone. */
async function makeContext(folder: string): Promise<void> {
  await Deno.mkdir(`${folder}/lib`, { recursive: true });
  await Deno.writeTextFile(`${folder}/Dockerfile`, DOCKERFILE);
  await Deno.writeTextFile(`${folder}/main.txt`, "main\n");
  for (let index = 0; index < FILES; index++) {
    const text = `${index} the quick brown fox\n`.repeat(1 + index % 100);
    await Deno.writeTextFile(`${folder}/lib/file${index}`, text);
  }
}

let changes = 0;

/** What is done before each build, and the flags it gets. */
interface Variant {
  readonly flags: readonly string[];
  readonly before?: (folder: string) => Promise<void>;
}

function building({ flags, before }: Variant): Case["prepare"] {
  return async (engine: Engine, made: Materials) => {
    const folder = `${made.work}/context-${engine.name}`;
    await makeContext(folder);
    // Without BuildKit: docker's own builder is the one that needs no further program.
    const env = engine.name === "docker" ? { ...engine.env, DOCKER_BUILDKIT: "0" } : engine.env;
    const words = [...engine.argv, "build", "-q", "--network", "none", "-t", BUILT];
    await output([...words, folder], env);
    return {
      sample: async () => {
        await before?.(folder);
        return await timeCall({ argv: [...words, ...flags, folder], env });
      },
      end: async () => void await output([...engine.argv, "rmi", "-f", BUILT], engine.env),
    };
  };
}

/** What the cases have in common. */
const BUILD = {
  unit: "ms",
  goals: { docker: 0.5, podman: 0.5 },
  engines: ["diplodock", "docker", "podman"],
} as const;

const FRESH: Case = {
  ...BUILD,
  name: "build of 6 steps without cache",
  runs: 5,
  prepare: building({ flags: ["--no-cache"] }),
};

const CACHED: Case = {
  ...BUILD,
  name: "build of 6 steps, all cached",
  runs: 10,
  prepare: building({ flags: [] }),
};

const CHANGED: Case = {
  ...BUILD,
  name: "build of 6 steps, the last 3 behind a changed file",
  runs: 5,
  prepare: building({
    flags: [],
    before: (folder) => Deno.writeTextFile(`${folder}/main.txt`, `change ${++changes}\n`),
  }),
};

/** The rows of the table about builds. */
export const buildCases: readonly Case[] = [FRESH, CACHED, CHANGED];
