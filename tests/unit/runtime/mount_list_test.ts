/** Which mounts are attached by the descriptor of a tmpfs of the same list, and which are not. */
import { assertEquals } from "@std/assert";
import { slot } from "../../../ffi/program.ts";
import { mountListSteps } from "../../../src/runtime/mount_list.ts";
import { parseMountOptions } from "../../../src/runtime/mount_options.ts";
import type { Mount } from "../../../src/runtime/mounts.ts";

const options = (...words: string[]) => parseMountOptions(words);
const tmpfs = (target: string, ...words: string[]): Mount => (
  { kind: "kernel", fs: "tmpfs", source: "tmpfs", target, options: options(...words) }
);
const kernel = (fs: string, target: string): Mount => (
  { kind: "kernel", fs, source: fs, target, options: options() }
);
const bind = (target: string, directory = true): Mount => (
  { kind: "bind", source: "/host", target, directory, options: options("bind") }
);
const again = (target: string): Mount => (
  { kind: "again", target, attributes: options("ro").attributes }
);

/** The last names that mounts were attached by, of those attached without a walk. */
function shortcuts(...mounts: Mount[]): unknown[] {
  return mountListSteps(mounts, slot("root"))
    .filter(({ call, args }) => call === "move_mount" && args[3] !== "")
    .map(({ args }) => args[3]);
}

const CASES: [name: string, mounts: Mount[], names: string[]][] = [
  ["directories on a tmpfs of the list", [tmpfs("/dev"), kernel("devpts", "/dev/pts")], ["pts"]],
  ["binds of directories", [tmpfs("/run"), bind("/run/a")], ["a"]],
  ["not binds of files", [tmpfs("/run"), bind("/run/a", false)], []],
  ["not deeper ones", [tmpfs("/run"), bind("/run/a/b")], []],
  ["not on a read-only tmpfs", [tmpfs("/run", "ro"), bind("/run/a")], []],
  ["not after it became read-only", [tmpfs("/run"), again("/run"), bind("/run/a")], []],
  ["not on one that is covered", [tmpfs("/run"), bind("/run"), bind("/run/a")], []],
  ["not on one whose parent is covered", [tmpfs("/a/b"), bind("/a"), bind("/a/b/c")], []],
  ["not after a target that may be a link to it", [tmpfs("/run"), bind("/x"), bind("/run/a")], []],
  ["not with .. in a name", [tmpfs("/run"), bind("/run/../a")], []],
  [
    "sysfs and what is on it lead nowhere else",
    [
      tmpfs("/dev"),
      kernel("sysfs", "/sys"),
      tmpfs("/sys/fs/x"),
      bind("/sys/fs/x/y"),
      bind("/dev/z"),
    ],
    ["y", "z"],
  ],
  [
    "sysfs that is covered is no longer the kernel's",
    [kernel("sysfs", "/sys"), bind("/sys"), tmpfs("/dev"), bind("/sys/a"), bind("/dev/z")],
    [],
  ],
];

for (const [name, mounts, names] of CASES) {
  Deno.test(`mountListSteps(): ${name}`, () => assertEquals(shortcuts(...mounts), names));
}
