import { assert, assertEquals } from "@std/assert";
import type { Program, Step } from "../../../ffi/program.ts";
import { quickExecProgram } from "../../../src/runtime/quick_exec.ts";
import { parseNotes } from "../../../src/runtime/quick_exec_notes.ts";

const PLAN = {
  exec: {
    process: { cwd: "/", user: { uid: 5, gid: 6 }, env: ["PATH=/bin:/sbin"], args: ["unused"] },
    userNamespace: false,
  },
  pid: 77,
  expected: [{ path: "/proc/77/cgroup", text: "0::/x\n" }],
  doors: { tasks: ["/cpu/x/tasks"], into: "/unified/x" },
  notes: { path: "/root/execs.log", document: "{}" },
};

/** The steps of a call, where they are. */
function find({ steps }: Program, call: string): [index: number, step: Step][] {
  return [...steps.entries()].filter(([, step]) => step.call === call);
}

Deno.test("quickExecProgram() looks at the container and opens its cgroup before it starts anything", () => {
  const program = quickExecProgram(PLAN);
  const paths = find(program, "openat").map(([, { args }]) => args[1]);
  const notes = "/root/execs.log";
  const wanted = ["/proc/77/cgroup", notes, "/dev/null", "/cpu/x/tasks", "/unified/x", notes];
  assertEquals(paths.slice(0, 6), wanted);
  const [[clone]] = find(program, "clone3");
  const [[first, told]] = find(program, "write").filter(([, { args }]) => args[0] === 3);
  assert(first < clone && told.onNegative === undefined);
  for (const step of program.steps.slice(0, first)) {
    assert(step.onNegative === undefined || step.onNegative !== "end", step.goal);
  }
});

Deno.test("quickExecProgram() looks for a command along PATH, and takes a path as it is", () => {
  const execs = find(quickExecProgram(PLAN), "execve").map(([, step]) => step);
  const names = execs.map(({ args: [path] }) =>
    typeof path === "object" && path?.kind === "address" ? path.block.name : path
  );
  assertEquals(names.slice(1), ["/bin/", "/sbin/"]);
  assertEquals(execs.map(({ allow }) => (allow ?? []).length > 0), [false, true, false]);
});

Deno.test("quickExecProgram() gives streams to the user, but not to root", () => {
  const owners = (uid: number) => {
    const { process } = PLAN.exec;
    const exec = { ...PLAN.exec, process: { ...process, user: { uid, gid: 6 } } };
    return find(quickExecProgram({ ...PLAN, exec }), "fchown").map(([, { args }]) => args);
  };
  assertEquals(owners(5), [[0, 5, -1], [1, 5, -1], [2, 5, -1]]);
  assertEquals(owners(0), []);
});

/** A record as quick_exec_notes.ts says. */
function record(
  kind: number,
  words: string,
  document: string,
  status = 0,
): Uint8Array<ArrayBuffer> {
  const [a, b] = [words, document].map((text) => new TextEncoder().encode(text));
  const bytes = new Uint8Array(80 + a.length + b.length);
  const view = new DataView(bytes.buffer);
  [kind, b.length, a.length, 3, 4].forEach((n, i) => view.setBigInt64(i * 8, BigInt(n), true));
  bytes.fill(0xab, 40, 72);
  view.setBigInt64(72, BigInt(status), true);
  bytes.set(a, 80);
  bytes.set(b, 80 + a.length);
  return bytes;
}

const STARTED = record(1, "sh\0-c\0\0", '{"a":1}'), DIED = record(2, "", "{}", 0x300);

Deno.test("parseNotes() reads what was started and what it ended with", () => {
  const common = { nanoseconds: 3_000_000_004n, id: "ab".repeat(32) };
  assertEquals(parseNotes(new Uint8Array([...STARTED, ...DIED])), [
    { ...common, kind: "started", status: 0, words: ["sh", "-c", ""], document: '{"a":1}' },
    { ...common, kind: "died", status: 0x300, words: [], document: "{}" },
  ]);
});

Deno.test("parseNotes() leaves out what was cut off or is no record", () => {
  const both = new Uint8Array([...STARTED, ...DIED]);
  for (let length = 0; length < both.length; length++) {
    const want = length < STARTED.length ? 0 : 1;
    assertEquals(parseNotes(both.subarray(0, length)).length, want, String(length));
  }
  const bytes = new Uint8Array(200).fill(0xff);
  assertEquals(parseNotes(bytes), []);
  assertEquals(parseNotes(new Uint8Array([...DIED, ...bytes])).length, 1);
});
