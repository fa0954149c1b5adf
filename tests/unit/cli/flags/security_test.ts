import { assertEquals, assertThrows } from "@std/assert";
import {
  checkCgroupnsMode,
  checkPidMode,
  checkUtsMode,
  parseCapabilities,
  parseSecurityOpts,
  parseUserns,
} from "../../../../src/cli/flags/security.ts";
import { fakeHost } from "./host.ts";

Deno.test("parseSecurityOpts() keeps what is for the engine", () => {
  const words = ["apparmor:x", "no-new-privileges", "label=disable", "seccomp=unconfined"];
  assertEquals(parseSecurityOpts(words, fakeHost()).securityOpt, words);
});

Deno.test("parseSecurityOpts() reads a profile and drops its white space", () => {
  const host = fakeHost({ files: { "p.json": '{ "defaultAction" :\n "SCMP_ACT_ALLOW" }' } });
  assertEquals(parseSecurityOpts(["seccomp=p.json"], host).securityOpt, [
    'seccomp={"defaultAction":"SCMP_ACT_ALLOW"}',
  ]);
});

Deno.test("parseSecurityOpts() empties the path lists for systempaths=unconfined", () => {
  assertEquals(parseSecurityOpts(["systempaths=unconfined"], fakeHost()), {
    securityOpt: null,
    maskedPaths: [],
    readonlyPaths: [],
  });
});

const REFUSED: [word: string, error: string][] = [
  ["foo", 'Invalid --security-opt: "foo"'],
  ["foo=", 'Invalid --security-opt: "foo="'],
  [
    "seccomp=/nosuch",
    "opening seccomp profile (/nosuch) failed: open /nosuch: no such file or directory",
  ],
  ["seccomp=dir", "opening seccomp profile (dir) failed: read dir: is a directory"],
];
for (const [word, error] of REFUSED) {
  Deno.test(`parseSecurityOpts() refuses ${word}`, () => {
    const host = fakeHost({ files: { dir: null } });
    assertEquals(assertThrows(() => parseSecurityOpts([word], host)).message, error);
  });
}

Deno.test("parseCapabilities() writes names in one way, each once, sorted", () => {
  assertEquals(parseCapabilities(["sys_admin", "CAP_SYS_ADMIN", "all", " chown"]), [
    "ALL",
    "CAP_CHOWN",
    "CAP_SYS_ADMIN",
  ]);
});

const MODES: [check: (mode: string) => void, mode: string, error?: string][] = [
  [checkPidMode, "host"],
  [checkPidMode, "container:a"],
  [checkPidMode, "container:", "--pid: invalid PID mode"],
  [checkPidMode, "foo", "--pid: invalid PID mode"],
  [checkUtsMode, "host"],
  [checkUtsMode, "foo", "--uts: invalid UTS mode"],
  [checkCgroupnsMode, "private"],
  [checkCgroupnsMode, "foo", "--cgroupns: invalid CGROUP mode"],
];
for (const [check, mode, error] of MODES) {
  Deno.test(`${check.name}() ${error ? "refuses" : "takes"} "${mode}"`, () => {
    if (error === undefined) check(mode);
    else assertEquals(assertThrows(() => check(mode)).message, error);
  });
}

const USERNS: [text: string, want: object | Error][] = [
  ["", { mode: "" }],
  ["host", { mode: "host" }],
  ["nomap", { mode: "nomap" }],
  ["auto", { mode: "auto" }],
  ["auto:size=4096", { mode: "auto", size: 4096 }],
  ["keep-id:uid=5,gid=6", { mode: "keep-id", uid: 5, gid: 6 }],
  ["container:web", { mode: "container:web" }],
  ["foo", Error("--userns: invalid USER mode")],
  ["auto:uid=5", Error('--userns: unknown option "uid=5" for "auto"')],
  ["keep-id:uid=x", Error('--userns: unknown option "uid=x" for "keep-id"')],
];
for (const [text, want] of USERNS) {
  Deno.test(`parseUserns() reads "${text}"`, () => {
    if (!(want instanceof Error)) assertEquals(parseUserns(text), want as never);
    else assertEquals(assertThrows(() => parseUserns(text)).message, want.message);
  });
}
