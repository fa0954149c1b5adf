/**
 * `deno task bench [--json FILE] [--only TEXT] [--runs N] [--engines a,b] [--disk GB]`: Diplodock
 * and its peers side by side, in one run, interleaved. With --disk all stores lie on a fresh ext4
 * in memory, where no other program's writes are waited for. As root it first moves into namespaces of its own
 * (network, mounts, processes), so that the daemons it starts touch nothing of the machine's.
 */
import { type Case, CASES, fill, type Prepared } from "./cases.ts";
import { type Engine, type EngineName, INSTALL, output, startEngines } from "./engines.ts";
import { makeMaterials, type Materials } from "./materials.ts";
import { type Result, summary } from "./measure.ts";
import { type Row, table, verdictOf } from "./table.ts";
import { stopTransfers } from "./transfer_cases.ts";

const ENGINES: readonly EngineName[] = ["diplodock", "docker", "podman", "runc", "tar"];

interface Options {
  json?: string;
  only: string;
  runs?: number;
  engines: readonly EngineName[];
  diskGb?: number;
}

/** Set in the process that runs inside the namespaces. */
const INSIDE = "DIPLODOCK_BENCH_INSIDE";

function parse(args: readonly string[]): Options {
  const options: Options = { only: "", engines: ENGINES };
  for (let index = 0; index < args.length; index += 2) {
    const value = args[index + 1];
    if (value === undefined) throw new Error(`Cannot read "${args[index]}": want a value`);
    if (args[index] === "--json") options.json = value;
    else if (args[index] === "--only") options.only = value;
    else if (args[index] === "--runs") options.runs = Number(value);
    else if (args[index] === "--engines") options.engines = value.split(",") as EngineName[];
    else if (args[index] === "--disk") options.diskGb = Number(value);
    else {
      const known = "--json, --only, --runs, --engines, --disk";
      throw new Error(`Cannot read "${args[index]}": want ${known}`);
    }
  }
  return options;
}

/** Runs this program again in new namespaces; everything in them ends with it. */
async function isolated(): Promise<number> {
  const flags = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const self = ["sh", "-c", 'ip link set lo up; exec "$0" "$@"', Deno.execPath(), "run", "-A"];
  const main = new URL(import.meta.url).pathname;
  const child = new Deno.Command("unshare", {
    args: [...flags, ...self, main, ...Deno.args],
    env: { [INSIDE]: "1" },
  }).spawn();
  return (await child.status).code;
}

/** Gives each engine its turn until all have had `runs`; an engine that fails drops out. */
async function runCase(
  test: Case,
  engines: readonly Engine[],
  made: Materials,
  runs: number,
): Promise<Row> {
  const row: Row = { name: test.name, unit: test.unit, results: {}, failures: {}, verdict: [] };
  const taking: { engine: Engine; prepared: Prepared; values: number[] }[] = [];
  const drop = (engine: Engine, error: unknown) => {
    row.failures[engine.name] = (error as Error).message;
  };
  for (const engine of engines.filter((one) => test.engines.includes(one.name))) {
    try {
      taking.push({ engine, prepared: await test.prepare(engine, made), values: [] });
    } catch (error) {
      drop(engine, error);
    }
  }
  for (let round = 0; round < runs; round++) {
    for (const { engine, prepared, values } of taking) {
      if (row.failures[engine.name] !== undefined) continue;
      await prepared.sample().then((value) => values.push(value), (error) => drop(engine, error));
    }
  }
  for (const { engine, prepared, values } of taking) {
    await prepared.end?.().catch((error) => drop(engine, error));
    if (values.length > 0) row.results[engine.name] = summary(values);
  }
  row.verdict = verdictOf(test, row.results as Partial<Record<EngineName, Result>>);
  return row;
}

/** Mounts a fresh ext4 of so many gigabytes on `folder`, in memory. It goes with the namespace. */
async function mountDisk(folder: string, gigabytes: number): Promise<void> {
  const image = `/dev/shm/${folder.split("/").at(-1)}.ext4`;
  await output(["truncate", "-s", `${gigabytes}G`, image]);
  try {
    await output(["mkfs.ext4", "-q", "-F", image]);
    await output(["mount", "-o", "loop", image, folder]);
  } finally {
    await Deno.remove(image); // the mount keeps it
  }
}

async function bench(options: Options): Promise<number> {
  const cases = CASES.filter((test) => test.name.includes(options.only));
  const work = await Deno.makeTempDir({ prefix: "diplodock-bench-" });
  if (options.diskGb !== undefined) await mountDisk(work, options.diskGb);
  const { engines, missing } = await startEngines(options.engines, work);
  const rows: Row[] = [];
  try {
    const made = await makeMaterials(work, cases.some((test) => test.needsLarge));
    for (const engine of engines) await fill(engine, made);
    for (const test of cases) {
      console.error(`measuring: ${test.name}`);
      rows.push(await runCase(test, engines, made, options.runs ?? test.runs));
    }
  } finally {
    await stopTransfers();
    for (const engine of engines) await engine.stop();
    const unmount = options.diskGb === undefined ? "" : 'umount -l "$0" && ';
    await new Deno.Command("sh", { args: ["-c", `${unmount}rm -rf "$0"`, work] }).output();
  }
  for (const { name, version } of engines) console.log(`${name}: ${version}`);
  console.log(table(rows, engines.map((engine) => engine.name)));
  for (const line of missing) console.log(line);
  if (missing.length > 0) console.log(`On Debian: ${INSTALL}`);
  if (options.json !== undefined) {
    const versions = Object.fromEntries(engines.map(({ name, version }) => [name, version]));
    const report = { date: new Date().toISOString(), versions, rows };
    await Deno.writeTextFile(options.json, JSON.stringify(report, null, 2) + "\n");
  }
  return rows.some((row) => row.verdict.some((one) => !one.holds)) ? 1 : 0;
}

if (import.meta.main) {
  const options = parse(Deno.args);
  if (Deno.uid() !== 0) {
    console.error("Not root: only the engines that need no daemon and no root are measured");
    options.engines = options.engines.filter((name) => name === "diplodock" || name === "podman");
  }
  const inside = Deno.uid() !== 0 || Deno.env.get(INSIDE) !== undefined;
  Deno.exit(inside ? await bench(options) : await isolated());
}
