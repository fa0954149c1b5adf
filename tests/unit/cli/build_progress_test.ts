/** How builds are shown. */
import { assertEquals } from "@std/assert";
import { ClassicProgress } from "../../../src/build/classic_output.ts";
import { PlainProgress } from "../../../src/cli/build_progress.ts";
import { RawJsonProgress } from "../../../src/cli/build_rawjson.ts";
import { BuildScreen } from "../../../src/cli/build_screen.ts";
import type { BuildEvents, WorkKind } from "../../../src/build/events.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const instruction = (text: string, number: number, place?: string): WorkKind => ({
  kind: "instruction",
  text,
  number,
  total: 3,
  ...(place && { place }),
});

/** FROM, an instruction without files, and a RUN that takes 1.5 s. */
function play(events: BuildEvents, advance: (ms: number) => void): void {
  const from = events.begin(instruction("FROM base", 1, "1/2"));
  from.cached();
  from.done(`sha256:${"a".repeat(64)}`);
  events.begin(instruction("ENV a=b", 2)).done(`sha256:${"b".repeat(64)}`);
  const run = events.begin(instruction("RUN make", 3, "2/2"));
  run.running("c".repeat(64));
  advance(500);
  run.output(bytes("one\ntw"));
  run.output(bytes("o\r\n\x1b[31mred"));
  advance(1000);
  run.done(`sha256:${"d".repeat(64)}`);
}

Deno.test("PlainProgress numbers the work and times its lines", () => {
  const lines: string[] = [];
  let now = 0;
  play(new PlainProgress((line) => lines.push(line), () => now), (ms) => now += ms);
  assertEquals(lines, [
    ...["#1 [1/2] FROM base", "#1 CACHED", ""],
    ...["#2 [2/2] RUN make", "#2 0.500 one", "#2 0.500 two"],
    ...["#2 1.500 \\x1b[31mred", "#2 DONE 1.5s", ""],
  ]);
});

Deno.test("PlainProgress keeps the end of a failed command's output", () => {
  const progress = new PlainProgress(() => {}, () => 0);
  const run = progress.begin(instruction("RUN x", 1, "1/1"));
  run.output(bytes(Array.from({ length: 30 }, (_, i) => `${i}\n`).join("")));
  run.failed("why");
  assertEquals(progress.failure?.title, "[1/1] RUN x");
  assertEquals([progress.failure?.lines.length, progress.failure?.lines.at(-1)], [20, "0.000 29"]);
});

Deno.test("ClassicProgress shows steps, ids and containers", () => {
  let text = "";
  play(new ClassicProgress((chunk) => text += new TextDecoder().decode(chunk)), () => {});
  assertEquals(
    text,
    `Step 1/3 : FROM base
 ---> aaaaaaaaaaaa
Step 2/3 : ENV a=b
 ---> bbbbbbbbbbbb
Step 3/3 : RUN make
 ---> Running in cccccccccccc
one
two\r
\x1b[31mredRemoving intermediate container cccccccccccc
 ---> dddddddddddd
`,
  );
});

Deno.test("BuildScreen draws over the output of work that is done", () => {
  let text = "", now = 0;
  const size = () => ({ columns: 60, rows: 20 });
  const screen = new BuildScreen(
    { write: (part) => text += part, isTerminal: true, size },
    () => now,
  );
  play(screen, (ms) => now += ms);
  screen.end();
  const last = text.slice(text.lastIndexOf("\x1b[0J") + 4);
  assertEquals(last, `\x1b[2K => [2/2] RUN make${" ".repeat(36)}1.5s\n`);
  assertEquals(text.includes(" => CACHED [1/2] FROM base"), true);
  assertEquals(text.includes(" => => one"), true);
  assertEquals(text.includes("\x1b[31m"), false);
});

/** A pull of one layer. */
function pull(events: BuildEvents): void {
  const work = events.begin({ kind: "internal", name: "[internal] load metadata for x" });
  const layers = work.layers();
  layers.update("0123456789ab", "Pulling fs layer", 0, 0);
  layers.update("0123456789ab", "Downloading", 500_000, 2_000_000);
  layers.update("0123456789ab", "Pull complete", 0, 0);
  layers.line("Status: Downloaded newer image for x");
  layers.finish();
  work.done();
}

Deno.test("PlainProgress and ClassicProgress show what a layer comes to, not its bytes", () => {
  const lines: string[] = [];
  pull(new PlainProgress((line) => lines.push(line), () => 0));
  const said = [
    "0123456789ab: Pulling fs layer",
    "0123456789ab: Pull complete",
    "Status: Downloaded newer image for x",
  ];
  assertEquals(lines, [
    "#1 [internal] load metadata for x",
    ...said.map((line) => `#1 ${line}`),
    ...["#1 DONE 0.0s", ""],
  ]);
  let text = "";
  pull(new ClassicProgress((chunk) => text += new TextDecoder().decode(chunk)));
  assertEquals(text, said.map((line) => `${line}\n`).join(""));
});

Deno.test("BuildScreen shows the bytes of a layer below its work while it goes on", () => {
  let text = "", now = 0;
  const size = () => ({ columns: 60, rows: 20 });
  const write = (part: string) => text += part;
  const screen = new BuildScreen({ write, isTerminal: true, size }, () => now += 1000);
  pull(screen);
  screen.end();
  assertEquals(text.includes(" => => 0123456789ab: Downloading 500kB/2MB\n"), true);
  assertEquals(text.slice(text.lastIndexOf("\x1b[0J")).includes("0123456789ab"), false);
});

Deno.test("RawJsonProgress tells of vertexes, statuses, logs and warnings", () => {
  const lines: string[] = [];
  const raw = new RawJsonProgress((line) => lines.push(line), () => "T");
  pull(raw);
  const run = raw.begin(instruction("RUN x", 1, "1/1"));
  run.output(bytes("one\ntwo"));
  run.failed("why");
  raw.warn("careful");
  const messages = lines.map((line) => JSON.parse(line));
  const logs = messages.flatMap((one) => one.logs ?? []);
  assertEquals(logs.map(({ data, stream }) => [atob(data), stream]), [["one\ntwo", 1]]);
  const [first] = messages.flatMap((one) => one.vertexes ?? []);
  assertEquals([first.name, first.started], ["[internal] load metadata for x", "T"]);
  const bytesOf = messages.flatMap((one) => one.statuses ?? [])
    .find(({ total }) => total > 0);
  assertEquals([bytesOf.vertex, bytesOf.current, bytesOf.total], [
    first.digest,
    500_000,
    2_000_000,
  ]);
  const failed = messages.flatMap((one) => one.vertexes ?? []).at(-1);
  assertEquals([failed.error, failed.completed], ["why", "T"]);
  assertEquals(atob(messages.at(-1).warnings[0].short), "careful");
  assertEquals(raw.failure?.lines, ["one", "two"]);
});
