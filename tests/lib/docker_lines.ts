/**
 * Command lines answered as docker answers them: exit code, stdout, stderr. What docker says is
 * recorded in tests/golden/docker; UPDATE=1, where docker is installed, asks it again.
 */
import { assertEquals } from "@std/assert";
import { Engine, type Result, waitFor } from "./engine.ts";
import { runProgram } from "./oci_box.ts";
import { startDocker } from "./peer_engines.ts";
import { isRoot, skipUnless } from "./skip.ts";
import {
  type Answer,
  type Entry,
  formatTranscript,
  normalise,
  parseTranscript,
  words,
} from "./transcript.ts";

import { enterTestNetwork } from "./network_namespace.ts";

const FOLDER = new URL("../golden/docker/", import.meta.url);
const UNEXPLAINED = "not explained yet";
const update = Deno.env.get("UPDATE") === "1";

/** A test for each transcript whose name fits: several files share them, for the time they take. */
export function testTranscripts(fits: (name: string) => boolean): void {
  enterTestNetwork();
  for (const name of [...Deno.readDirSync(FOLDER)].map(({ name }) => name).sort()) {
    if (!fits(name)) continue;
    Deno.test({
      name: `docker lines: ${name.replace(".txt", "")}`,
      ...skipUnless(isRoot(), "needs root"),
      fn: () => update ? record(name) : check(name),
    });
  }
}

/** An engine with the image `bb`: busybox, two users. */
async function ours(): Promise<Engine> {
  const engine = new Engine();
  const root = engine.rootfs("bb", furnish);
  const tar = await new Deno.Command("tar", { args: ["-C", root, "-c", "."] }).output();
  await engine.with({ stdin: tar.stdout }, "import", "-", "bb");
  return engine;
}

const shown = (line: string, docker: Answer) => formatTranscript([{ line, docker }]);

const MORE_APPLETS = ["hostname", "awk", "cut", "sed", "tr", "dd", "sha256sum", "nc", "ps", "df"];

function furnish(root: string): void {
  for (const applet of MORE_APPLETS) Deno.symlinkSync("busybox", `${root}/bin/${applet}`);
  for (const folder of ["etc", "root", "tmp", "data"]) Deno.mkdirSync(`${root}/${folder}`);
  const users = ["root:x:0:0:root:/root:/bin/sh", "user:x:1000:1000::/home:/bin/sh", ""];
  Deno.writeTextFileSync(`${root}/etc/passwd`, users.join("\n"));
  Deno.writeTextFileSync(`${root}/etc/group`, "root:x:0:\nuser:x:1000:\nwheel:x:10:user\n");
}

type Ask = (args: string[], stdin?: string) => Promise<Result>;

async function answer(ask: Ask, line: string): Promise<Answer> {
  const { args, stdin } = words(withNoNetwork(line));
  return normalise(await ask(args, stdin));
}

/** One network of its own would only cost time, where a line does not ask for it. */
function withNoNetwork(line: string): string {
  if (/ (-p|-P|--expose) /.test(line)) return line;
  return line.replace(/^(run|create) (?!.*--net)(?=.)/, "$1 --network none ");
}

function read(name: string): Entry[] {
  return parseTranscript(Deno.readTextFileSync(new URL(name, FOLDER)));
}

async function check(name: string): Promise<void> {
  await using engine = await ours();
  const ask: Ask = (args, stdin) => engine.with({ stdin }, ...args);
  const got: Entry[] = [];
  const want = read(name);
  for (const { line, docker, ours } of want) {
    let now = await answer(ask, line);
    if (line.startsWith("events ")) {
      // What ended by itself is told a moment later.
      const wanted = shown(line, ours?.answer ?? docker);
      await waitFor(async () => shown(line, now = await answer(ask, line)) === wanted)
        .catch(() => {});
    }
    got.push(ours === undefined ? { line, docker: now } : { line, docker: now, ours });
  }
  const expected = want.map((entry) =>
    entry.ours ? { ...entry, docker: entry.ours.answer } : entry
  );
  assertEquals(formatTranscript(got), formatTranscript(expected));
  assertEquals(want.filter((entry) => entry.ours?.why === UNEXPLAINED), []);
}

/** Asks docker and us, and writes the transcript anew; reasons stay where they were. */
async function record(name: string): Promise<void> {
  await using engine = await ours();
  await using docker = await startDocker("runc");
  const tar = await runProgram(["tar", "-C", engine.path("bb"), "-cf", engine.path("bb.tar"), "."]);
  assertEquals(tar.code, 0, tar.stderr);
  await docker.ok("import", engine.path("bb.tar"), "bb");
  await docker.ok("rmi", "small");
  const askDocker: Ask = (args, stdin) =>
    runProgram([...docker.argv, ...args], { env: docker.env, ...(stdin && { input: stdin }) });
  const askUs: Ask = (args, stdin) => engine.with({ stdin }, ...args);
  // One after the other: both would like the same ports.
  const lines = read(name);
  const theirs: Answer[] = [];
  for (const { line } of lines) theirs.push(await answer(askDocker, line));
  const left = (await docker.ok("ps", "-aq")).split("\n").filter(Boolean);
  if (left.length > 0) await docker.ok("rm", "-f", ...left);
  const entries: Entry[] = [];
  for (const [i, { line, ours }] of lines.entries()) {
    const docker = theirs[i];
    const us = await answer(askUs, line);
    const isSame = shown(line, docker) === shown(line, us);
    const why = ours?.why ?? UNEXPLAINED;
    entries.push({ line, docker, ...(!isSame && { ours: { why, answer: us } }) });
  }
  Deno.writeTextFileSync(new URL(name, FOLDER), formatTranscript(entries));
}
