import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { EPERM } from "../../../ffi/errno.ts";
import { parseIdMap } from "../../../src/base/own_namespace.ts";
import { type HostEntry, planHostParts } from "../../../src/engine/host_layer.ts";
import { aliases } from "../../../src/engine/fuse_host.ts";
import { checkMapped, rangesFrom, splitMap } from "../../../src/engine/userns.ts";
import { chooseProgram, programWords } from "../../../src/net/user_network.ts";
import { innerProgram, namespaceHint } from "../../../src/runtime/rootless.ts";
import { parseSubordinateIds, userMap, userNameIn } from "../../../src/runtime/subordinate_ids.ts";
import { assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";

const SUBUID = "other:100000:65536\nme:200000:65536\n# note\nme:x:1\n1000:500000:10\nme:1:0\n";

Deno.test("parseSubordinateIds() takes the ranges of the name and of the number", () => {
  assertEquals(parseSubordinateIds(SUBUID, ["1000", "me"]), [
    { start: 200000, count: 65536 },
    { start: 500000, count: 10 },
  ]);
  assertEquals(parseSubordinateIds(SUBUID, ["nobody"]), []);
});

Deno.test("userMap() makes the user root and puts the ranges one after the other", () => {
  assertEquals(userMap(1000, [{ start: 200000, count: 65536 }, { start: 500000, count: 10 }]), [
    { containerID: 0, hostID: 1000, size: 1 },
    { containerID: 1, hostID: 200000, size: 65536 },
    { containerID: 65537, hostID: 500000, size: 10 },
  ]);
});

Deno.test("userNameIn() finds a user by his number", () => {
  assertEquals(userNameIn("root:x:0:0::/:\nme:x:1000:1000::/:\n", 1000), "me");
  assertEquals(userNameIn("root:x:0:0::/:\n", 1000), undefined);
});

Deno.test("parseIdMap() reads the kernel's columns", () => {
  assertEquals(parseIdMap("         0       1000          1\n         1     100000      65536\n"), [
    { inside: 0, outside: 1000, count: 1 },
    { inside: 1, outside: 100000, count: 65536 },
  ]);
});

const HINTS: [name: string, settings: Record<string, string>, want: string][] = [
  ["namespaces that are off", { "user/max_user_namespaces": "0\n" }, "max_user_namespaces=15000"],
  ["Debian's switch", { "kernel/unprivileged_userns_clone": "0\n" }, "unprivileged_userns_clone=1"],
  [
    "AppArmor's restriction",
    { "kernel/apparmor_restrict_unprivileged_userns": "1\n" },
    "apparmor_restrict_unprivileged_userns=0",
  ],
  ["a filter", {}, "seccomp filter"],
];
for (const [name, settings, want] of HINTS) {
  Deno.test(`namespaceHint() says what to do about ${name}`, () => {
    assertStringIncludes(namespaceHint("unshare", EPERM, (path) => settings[path]), want);
  });
}

Deno.test("innerProgram() joins both namespaces before it gives the lock up", () => {
  const { steps } = innerProgram(7, 8, "/home", { argv: ["/d", "ps"], env: { A: "b" } });
  const calls = steps.map(({ call, args }) => call === "close" ? `close ${args[0]}` : call);
  assertEquals(calls.slice(0, 4), ["setns", "close 7", "close 8", "chdir"]);
  assert(calls.includes("execve"));
});

const DIRECTORIES = (names: string[]): HostEntry[] =>
  names.map((name) => ({ name, kind: "directory" }));

Deno.test("planHostParts() takes a directory with mounts below in pieces", () => {
  const entries: HostEntry[] = [
    ...DIRECTORIES(["usr", "var", "proc", "tmp", "home", "lost+found"]),
    { name: "bin", kind: "link" },
    { name: "swapfile", kind: "file" },
  ];
  assertEquals(planHostParts("", entries, ["/", "/proc", "/var/lib/x", "/home", "/tmp/y"]), [
    { kind: "overlay", name: "usr" },
    { kind: "pieces", name: "var" },
    { kind: "empty", name: "proc" },
    { kind: "empty", name: "tmp" },
    { kind: "overlay", name: "home" },
    { kind: "link", name: "bin" },
  ]);
});

Deno.test("planHostParts() copies files below the root and binds what is mounted there", () => {
  const entries: HostEntry[] = [
    ...DIRECTORIES(["opt", "ssl", "run", "deep"]),
    { name: "passwd", kind: "file" },
    { name: "socket", kind: "other" },
  ];
  assertEquals(planHostParts("/etc", entries, ["/etc/opt", "/etc/passwd", "/etc/deep/x"]), [
    { kind: "bind", name: "opt" },
    { kind: "overlay", name: "ssl" },
    { kind: "overlay", name: "run" },
    { kind: "pieces", name: "deep" },
    { kind: "file", name: "passwd" },
  ]);
});

Deno.test("aliases() finds directories that are at two paths of the machine", () => {
  const table = [
    "1 0 8:1 / / rw - ext4 /dev/a rw",
    "2 1 8:2 / /home rw - ext4 /dev/b rw", // a disk of its own is at one path
    "3 1 8:1 /home/x /etc/opt rw - ext4 /dev/a rw",
    "4 1 8:1 /home/f /etc/file rw - ext4 /dev/a rw",
    "5 1 0:5 / /dev rw - devtmpfs d rw",
    "6 5 0:5 /x /dev/x rw - devtmpfs d rw",
    "7 1 0:9 / /srv/one rw - tmpfs t rw",
    "8 1 0:9 / /srv/two rw - tmpfs t rw",
    "9 1 0:9 / /srv/the\\040third rw - tmpfs t rw",
  ].join("\n");
  const isDirectory = (path: string) => path !== "/etc/file";
  assertEquals(aliases(table, isDirectory), ["/etc/opt", "/srv/one", "/srv/two", "/srv/the third"]);
});

Deno.test("splitMap() cuts a range where our own ranges are cut", () => {
  const own = [{ inside: 0, outside: 1000, count: 1 }, { inside: 1, outside: 9000, count: 99 }];
  assertEquals(splitMap([{ containerID: 5, hostID: 0, size: 10 }], own), [
    { containerID: 5, hostID: 0, size: 1 },
    { containerID: 6, hostID: 1, size: 9 },
  ]);
  const outside = [{ containerID: 0, hostID: 50, size: 51 }];
  assertThrows(
    () => splitMap(outside, own),
    UserError,
    "Cannot map id 100: it is none of yours (0 to 99)",
  );
  assertEquals(splitMap(outside, undefined), outside);
});

Deno.test("checkMapped() refuses users and groups without a place", () => {
  const ids = { inside: 0, outside: 0, count: 100 };
  const maps = { uids: [ids], gids: [ids, { inside: 200, outside: 200, count: 1 }] };
  checkMapped({ uid: 99, gid: 200, additionalGids: [5] }, maps);
  const rows: [uid: number, gid: number, more: number[], text: string][] = [
    [100, 0, [], "Cannot run as user 100"],
    [
      0,
      100,
      [],
      "Cannot run as group 100: the container's user namespace has no such id, but 0 to 99, 200",
    ],
    [0, 0, [7, 300], "Cannot run as group 300"],
  ];
  for (const [uid, gid, additionalGids, text] of rows) {
    assertThrows(() => checkMapped({ uid, gid, additionalGids }, maps), UserError, text);
  }
});

Deno.test("chooseProgram() prefers pasta, takes a wish, and says what to install", () => {
  const all = (name: string) => `/usr/bin/${name}`;
  assertEquals(chooseProgram(undefined, all).name, "pasta");
  assertEquals(chooseProgram("slirp4netns", all).name, "slirp4netns");
  const one = (name: string) => name === "slirp4netns" ? "/s" : undefined;
  assertEquals(chooseProgram(undefined, one), { name: "slirp4netns", path: "/s" });
  assertThrows(() => chooseProgram(undefined, () => undefined), UserError, "install passt");
  assertThrows(() => chooseProgram("vpn", all), UserError, "want pasta or slirp4netns");
});

Deno.test("programWords() never lets a container reach the host's loopback", () => {
  const fds = { netns: 3, ready: 4, life: 5 };
  assert(programWords("slirp4netns", fds).includes("--disable-host-loopback"));
  assert(programWords("pasta", fds).includes("--no-map-gw"));
});

Deno.test("rangesFrom() takes what both files have for containers, else the upper half", () => {
  const both = [{ start: 2000000, count: 140000 }];
  assertEquals(rangesFrom(both, both), [2000000, 2065536]);
  const upper = rangesFrom(both, [{ start: 1, count: 140000 }]);
  assertEquals([upper[0], upper[1]], [2147483648, 2147549184]);
});
