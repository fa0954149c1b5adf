/** The text of an explanation: its width, its names for long paths, its groups. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { wrap } from "../../../src/cli/explain_layout.ts";
import { explanationText } from "../../../src/cli/explain_text.ts";
import type { Explanation } from "../../../src/engine/explain.ts";

const WRAPPED: [text: string, lines: string[]][] = [
  ["short", ["short"]],
  ["one two three four", ["one two", "  three", "  four"]],
  ["averyverylongword and", ["averyverylongword", "  and"]],
  ["", [""]],
];
for (const [text, lines] of WRAPPED) {
  Deno.test(`wrap() of "${text}"`, () => assertEquals(wrap(text, 9, 2), lines));
}

const ID = "a".repeat(64);
const LAYER = `/var/lib/diplodock/layers/${"b".repeat(64)}/fs`;

function step(number: number, goal: string, call: string, ...args: string[]) {
  return { number, goal, call, args, notes: [] };
}

const EXPLANATION: Explanation = {
  kind: "run",
  container: { id: ID, name: "web" },
  namespaces: [{
    type: "mount",
    flag: "CLONE_NEWNS",
    origin: "new",
    isolates: "mounts: what the file tree is made of, in more words than fit the rest of the line",
  }],
  cgroup: {
    hierarchies: [],
    path: `/diplodock/${ID}`,
    writes: [
      ...["cpu", "pids"].map((name) => ({
        path: `/sys/fs/cgroup/${name}/diplodock/${ID}`,
        why: "make the cgroup",
      })),
      ...["cpu", "pids"].map((name) => ({
        path: `/sys/fs/cgroup/${name}/diplodock/${ID}/tasks`,
        value: "0",
        why: "the first process enters",
      })),
    ],
  },
  network: { mode: "none", links: [], ports: [], rules: [] },
  descriptors: [{ number: 20, what: `/sys/fs/cgroup/cpu/diplodock/${ID}/tasks` }],
  programs: [{
    title: "the container's first process",
    steps: [
      step(1, "enter the cgroup", "write", "20", '"0"', "1"),
      step(2, "close a descriptor", "close", "20"),
      step(3, "mount the layers", "fsconfig", `"${LAYER}"`),
      step(4, "start", "execve", `"/bin/sh"`),
    ],
  }],
};

const TEXT = explanationText(EXPLANATION, 80, "/var/lib/diplodock");

Deno.test("explanationText() keeps to the width but for the names' meanings", () => {
  const lines = TEXT.split("\n").filter((line) => !line.startsWith("$"));
  assertEquals(lines.filter((line) => line.length > 80), []);
});

Deno.test("explanationText() names long paths once", () => {
  for (const long of [ID, LAYER]) assertEquals(TEXT.split(long).length, 2, long);
  assertStringIncludes(TEXT, "20  /sys/fs/cgroup/cpu/diplodock/$ID/tasks\n");
  assertStringIncludes(TEXT, 'fsconfig("$LAYER1")');
});

Deno.test("explanationText() tells once what is done in every hierarchy", () => {
  assertStringIncludes(TEXT, "made: /sys/fs/cgroup/*/diplodock/$ID for * = cpu, pids");
  assertEquals(TEXT.match(/^tasks .*the first process enters$/gm)?.length, 1);
});

Deno.test("explanationText() puts steps under their goal, and one alone beside it", () => {
  assertStringIncludes(TEXT, '# enter the cgroup\n1  write(20, "0", 1)\n2  close(20)\n');
  assertStringIncludes(TEXT, '4  execve("/bin/sh")  # start\n');
});
