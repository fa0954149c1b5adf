/**
 * Runs the suites and counts: `./build.sh test [PART]...`. Each test file is a process of its own,
 * in its own process group, killed when it takes too long. Where there are processors for it, two
 * run side by side: each has engines, ports and namespaces of its own. The last line is
 * "N passed, N failed, N skipped"; the exit code is 1 if anything failed.
 */
import { SKIP_LOG_VARIABLE } from "./lib/skip.ts";
import { ENGINES_VARIABLE, networkTraces } from "./lib/traces.ts";
import { installPackages } from "./packages.ts";

/** Long files first: the last ones should not have to wait for one. */
const PARTS = ["vm", "check", "lint", "fmt", "unit", "fuzz", "kernel", "e2e"] as const;
type Part = typeof PARTS[number];

/** These need root and what people install beside an engine. */
const startsContainers = (part: Part) => ["kernel", "vm", "e2e"].includes(part);

/** A file that runs longer is killed and counted as failed. All files together have 25 minutes. */
const FILE_LIMIT_MS = 600_000;

/** How many files run at the same time: what they wait for is mostly not the processor. */
const LANES = Math.min(2, navigator.hardwareConcurrency);

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

interface Outcome extends Count {
  output: string;
  reasons: string[];
}

interface Finished {
  success: boolean;
  timedOut: boolean;
  output: string;
}

/** Runs Deno with `args` in a process group of its own; both streams in order of arrival. */
async function runDeno(args: string[], env: Record<string, string>): Promise<Finished> {
  const log = await Deno.makeTempFile({ prefix: "diplodock-test-" });
  // The shell joins the streams in one file: a child that outlives the test can't block us.
  const shell = 'exec "$0" "$@" > "$DIPLODOCK_TEST_LOG" 2>&1';
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", shell, Deno.execPath(), ...args],
    env: { ...env, DIPLODOCK_TEST_LOG: log, NO_COLOR: "1" },
    stdin: "null",
    detached: true,
  }).spawn();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    Deno.kill(-child.pid, "SIGKILL");
  }, FILE_LIMIT_MS);
  const { success } = await child.status;
  clearTimeout(timer);
  const output = await Deno.readTextFile(log);
  await Deno.remove(log);
  return { success, timedOut, output };
}

function countOf(xml: string, pattern: RegExp): number {
  return [...xml.matchAll(pattern)].length;
}

/** What the tests of one file came to, from Deno's JUnit report. */
async function runFile(file: string): Promise<Outcome> {
  const folder = await Deno.makeTempDir({ prefix: "diplodock-test-" });
  const report = `${folder}/report.xml`;
  const env = { [SKIP_LOG_VARIABLE]: `${folder}/skipped` };
  const args = ["test", "--allow-all", "--no-check", "--quiet", `--junit-path=${report}`, file];
  const { success, timedOut, output } = await runDeno(args, env);
  const xml = await Deno.readTextFile(report).catch(() => "");
  const reasons = (await Deno.readTextFile(env[SKIP_LOG_VARIABLE]).catch(() => "")).split("\n");
  await Deno.remove(folder, { recursive: true });
  const tests = countOf(xml, /<testcase /g);
  const skipped = countOf(xml, /<skipped/g);
  // A file that does not load, crashes or hangs has no report, or one without its failure.
  const failed = Math.max(countOf(xml, /<(failure|error)[ >]/g), success ? 0 : 1);
  const passed = Math.max(tests - skipped - failed, 0);
  const note = timedOut ? `killed after ${FILE_LIMIT_MS / 1000} s\n` : "";
  const given = [...new Set(reasons.filter((line) => line !== ""))];
  return { passed, failed, skipped, output: note + output, reasons: given };
}

/** All test files below `folder`, sorted; none when there is no such folder. */
function testFiles(folder: string): string[] {
  const found: string[] = [];
  try {
    for (const entry of Deno.readDirSync(folder)) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory) found.push(...testFiles(path));
      else if (path.endsWith("_test.ts")) found.push(path);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found.sort();
}

/** The steps of a part by name; each yields its outcome. */
function stepsOf(part: Part): [name: string, run: () => Promise<Outcome>][] {
  const deno = (...args: string[]): [string, () => Promise<Outcome>] => [
    `deno ${args.join(" ")}`,
    async () => {
      const { success, output } = await runDeno(args, {});
      return { passed: +success, failed: +!success, skipped: 0, output, reasons: [] };
    },
  ];
  switch (part) {
    case "check":
      return [deno("check", ".")];
    case "lint":
      return [deno("lint")];
    case "fmt":
      return [deno("fmt", "--check")];
    case "unit":
      return ["tests/house_test.ts", ...testFiles("tests/unit")].map(fileStep);
    case "fuzz":
    case "kernel":
    case "vm":
    case "e2e":
      return testFiles(`tests/${part}`).map(fileStep);
  }
}

function fileStep(file: string): [string, () => Promise<Outcome>] {
  return [file, () => runFile(file)];
}

/** One line for each file; the output of those that failed, the reasons of what was skipped. */
function print(name: string, outcome: Outcome, elapsedMs: number): void {
  const { passed, failed, skipped, output, reasons } = outcome;
  const word = failed > 0 ? "FAILED" : "ok";
  const counts = `${passed} passed, ${failed} failed, ${skipped} skipped`;
  console.log(`${word} ${name} (${counts}, ${(elapsedMs / 1000).toFixed(1)} s)`);
  if (skipped > 0) {
    for (const reason of reasons.length > 0 ? reasons : ["no reason given"]) {
      console.log(`   skipped: ${reason}`);
    }
  }
  if (failed > 0) console.log(indented(output));
}

const indented = (output: string) => output.trimEnd().replaceAll(/^/gm, "   | ");

/** Says what engines of the tests have left on the machine's network; nothing is as it should be. */
function leftStep(engines: string): [name: string, run: () => Promise<Outcome>] {
  return ["nothing is left behind", async () => {
    const runs = await Deno.readTextFile(engines).catch(() => "");
    const left = await networkTraces(runs.split("\n").filter((run) => run !== ""));
    const failed = Math.min(left.length, 1);
    return { passed: 1 - failed, failed, skipped: 0, output: left.join("\n"), reasons: [] };
  }];
}

async function runParts(parts: readonly Part[]): Promise<Count> {
  const total: Count = { passed: 0, failed: 0, skipped: 0 };
  const failures: string[] = [];
  const engines = await Deno.makeTempFile({ prefix: "diplodock-test-" });
  Deno.env.set(ENGINES_VARIABLE, engines);
  // Each lane takes the next step as soon as it is done with one.
  const lane = async (steps: Iterable<ReturnType<typeof leftStep>>) => {
    for (const [name, run] of steps) {
      const start = performance.now();
      const outcome = await run();
      print(name, outcome, performance.now() - start);
      total.passed += outcome.passed;
      total.failed += outcome.failed;
      total.skipped += outcome.skipped;
      if (outcome.failed > 0) failures.push(name);
    }
  };
  const steps = parts.flatMap(stepsOf).values();
  await Promise.all(Array.from({ length: LANES }, () => lane(steps)));
  if (parts.some(startsContainers)) await lane([leftStep(engines)]);
  await Deno.remove(engines);
  for (const name of failures) console.log(`failed: ${name}`);
  return total;
}

if (import.meta.main) {
  const wrong = Deno.args.find((arg) => !(PARTS as readonly string[]).includes(arg));
  if (wrong !== undefined) {
    console.error(`Cannot test "${wrong}": want one of ${PARTS.join(", ")}`);
    Deno.exit(2);
  }
  const parts = PARTS.filter((part) => Deno.args.length === 0 || Deno.args.includes(part));
  // Containers' users read files that tests write.
  Deno.umask(0o022);
  if (parts.some(startsContainers)) installPackages();
  const { passed, failed, skipped } = await runParts(parts);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  Deno.exitCode = failed > 0 ? 1 : 0;
}
