import { assert, assertEquals } from "@std/assert";
import { cellWidth, painter } from "../../../src/cli/output.ts";
import { sparkline, StatsScreen } from "../../../src/cli/stats_screen.ts";
import type { ContainerUsage } from "../../../src/engine/stats.ts";

const LINES: [name: string, values: number[], top: number, cells: number, want: string][] = [
  ["nothing", [], 100, 3, "   "],
  ["eighths", [0, 12.5, 25, 50, 87.5, 100], 100, 6, "▁▁▂▄▇█"],
  ["what is above the top", [300], 100, 1, "█"],
  ["the newest at the right", [100, 0], 100, 4, "  █▁"],
  ["no more than there is room for", [100, 100, 0, 0], 100, 2, "▁▁"],
];
for (const [name, values, top, cells, want] of LINES) {
  Deno.test(`sparkline() draws ${name}`, () => assertEquals(sparkline(values, top, cells), want));
}

const MIB = 1 << 20;

function container(name: string, cpuPercent: number): ContainerUsage {
  return {
    id: "0123456789abcdef".repeat(4),
    name,
    reference: name,
    usage: {
      cpuPercent,
      memoryBytes: 16 * MIB,
      memoryLimitBytes: 64 * MIB,
      receivedBytes: 1000,
      sentBytes: 2_000_000,
      readBytes: 0,
      writtenBytes: 5000,
      pids: 3,
    },
  };
}

/** A terminal of this size, and what was written to it. */
function terminal(columns: number, rows: number, noColor = "1") {
  const size = { columns, rows };
  const written: string[] = [];
  const output = {
    write: (text: string) => written.push(text),
    isTerminal: true,
    size: () => ({ ...size }),
  };
  return { screen: new StatsScreen(output, painter(true, noColor), false), written, size };
}

// deno-lint-ignore no-control-regex -- what the screen writes
const CONTROLS = /\x1b\[\d*[A-Za-z]/g;
const withoutControls = (text: string) => text.replace(CONTROLS, "").replace(/\r/g, "");

Deno.test("StatsScreen draws every column where there is room", () => {
  const { screen, written } = terminal(160, 24);
  screen.draw([container("web", 12.5)]);
  screen.draw([container("web", 100)]);
  const [titles, line] = withoutControls(written[1]).split("\n");
  assertEquals(titles.split(/ {2,}/), [
    ...["CONTAINER ID", "NAME", "CPU %", "CPU HISTORY", "MEM USAGE / LIMIT", "MEM %"],
    ...["MEM HISTORY", "NET I/O", "BLOCK I/O", "PIDS"],
  ]);
  assertEquals(line.split(/ {2,}/), [
    ...["0123456789ab", "web", "100.00%", "▁█", "16MiB / 64MiB", "25.00%", "██"],
    ...["1kB / 2MB", "0B / 5kB", "3"],
  ]);
});

Deno.test("StatsScreen draws over what it drew, and clears a resized terminal", () => {
  const { screen, written, size } = terminal(160, 24);
  screen.draw([container("a", 1), container("b", 2)]);
  screen.draw([container("a", 1)]);
  size.columns = 100;
  screen.draw([container("a", 1)]);
  assert(written[0].startsWith("\x1b[2KCONTAINER"), written[0]);
  assert(written[1].startsWith("\x1b[3A\r"), written[1]);
  assert(written[1].endsWith("\x1b[J"), written[1]);
  assert(written[2].startsWith("\x1b[2J\x1b[H"), written[2]);
});

for (const columns of [20, 40, 60, 80, 100, 120, 200]) {
  Deno.test(`StatsScreen writes no line that wraps at ${columns} columns`, () => {
    const { screen, written } = terminal(columns, 24, "");
    screen.draw([container("a-name-of-some-length", 12.5), container("b", 1234.5)]);
    const lines = withoutControls(written[0]).split("\n");
    assertEquals(lines.filter((line) => cellWidth(line) >= columns), []);
  });
}

Deno.test("StatsScreen writes no more lines than the terminal has", () => {
  const { screen, written } = terminal(100, 5);
  screen.draw(["a", "b", "c", "d", "e"].map((name) => container(name, 1)));
  const lines = withoutControls(written[0]).trimEnd().split("\n");
  assertEquals([lines.length, lines.at(-1)], [4, "… and 3 more"]);
});

Deno.test("StatsScreen colours graphs, not where NO_COLOR is set", () => {
  const coloured = terminal(160, 24, ""), plain = terminal(160, 24, "1");
  for (const { screen } of [coloured, plain]) screen.draw([container("a", 1)]);
  assert(coloured.written[0].includes("\x1b[32m"));
  assertEquals(plain.written[0].match(CONTROLS)?.filter((code) => code.endsWith("m")), []);
});
