import { assertEquals } from "@std/assert";
import { bar } from "../../../src/base/bar.ts";
import { Progress, type ProgressOutput } from "../../../src/cli/progress.ts";

function terminal(columns = 120, rows = 24, isTerminal = true) {
  const written: string[] = [];
  const output: ProgressOutput = {
    write: (text) => written.push(text),
    isTerminal,
    size: () => ({ columns, rows }),
  };
  return { written, output };
}

Deno.test("Progress draws the line of an id over its old one", () => {
  const { written, output } = terminal();
  const progress = new Progress(output, () => 0);
  progress.state("aaa", "Waiting");
  progress.state("bbb", "Waiting");
  progress.state("aaa", "Pull complete");
  progress.state("bbb", "Pull complete");
  assertEquals(written, [
    "\r\x1b[2Kaaa: Waiting\n",
    "\r\x1b[2Kbbb: Waiting\n",
    "\x1b[2A\r\x1b[2Kaaa: Pull complete\r\x1b[2B",
    "\x1b[1A\r\x1b[2Kbbb: Pull complete\r\x1b[1B",
  ]);
});

Deno.test("Progress without a terminal prints states below each other, and no bars", () => {
  const { written, output } = terminal(80, 24, false);
  const progress = new Progress(output);
  progress.state("aaa", "Pulling fs layer");
  progress.update("aaa", "Downloading", 5, 10);
  progress.state("aaa", "Pull complete");
  progress.message("Status: done");
  assertEquals(written.join(""), "aaa: Pulling fs layer\naaa: Pull complete\nStatus: done\n");
});

Deno.test("Progress moves a bar ten times a second at most, and always to its end", () => {
  const { written, output } = terminal(60);
  let now = 0;
  const progress = new Progress(output, () => now);
  progress.state("a", "Downloading");
  for (now = 0; now <= 300; now += 10) progress.update("a", "Downloading", now, 400);
  assertEquals(written.length, 1 + 4);
  progress.update("a", "Downloading", 400, 400);
  assertEquals(
    written.at(-1),
    "\x1b[1A\r\x1b[2Ka: Downloading     400B/400B 0s\r\x1b[1B".replace(" 0s", ""),
  );
});

Deno.test("Progress cuts what would wrap, leaves alone what has scrolled away", () => {
  const { written, output } = terminal(10, 3);
  const progress = new Progress(output, () => 0);
  progress.state("a", "a long state");
  assertEquals(written[0], "\r\x1b[2Ka: a long\n");
  for (const id of ["b", "c", "d"]) progress.state(id, "x");
  const count = written.length;
  progress.state("a", "y");
  assertEquals(written.length, count);
  progress.state("c", "y");
  assertEquals(written.at(-1), "\x1b[2A\r\x1b[2Kc: y\r\x1b[2B");
});

Deno.test("Progress starts afresh below a message", () => {
  const { written, output } = terminal();
  const progress = new Progress(output, () => 0);
  progress.state("a", "x");
  progress.message("hello\x1b[2J");
  progress.state("a", "y");
  assertEquals(written, ["\r\x1b[2Ka: x\n", "hello\\x1b[2J\n", "\r\x1b[2Ka: y\n"]);
});

const BARS: [name: string, args: Parameters<typeof bar>, want: string][] = [
  ["without a total", [1500, 0, 0, 120], "   1.5kB"],
  ["half way", [50, 100, 1000, 120], `[${"=".repeat(25)}>${" ".repeat(25)}]      50B/100B 1s`],
  ["at the end", [100, 100, 1000, 120], `[${"=".repeat(50)}>]     100B/100B`],
  ["on a narrow terminal", [50, 100, 1000, 80], "     50B/100B 1s"],
  ["on a tiny terminal", [50, 100, 1000, 40], "     50B/100B"],
  ["of more than all", [150, 100, 1000, 80], "    150B"],
];
for (const [name, args, want] of BARS) {
  Deno.test(`bar() ${name}`, () => assertEquals(bar(...args), want));
}
