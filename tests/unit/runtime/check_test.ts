import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { checkSpec } from "../../../src/runtime/check.ts";
import type { Spec } from "../../../src/runtime/spec_types.ts";

const NAMESPACES = ["mount", "pid", "uts", "ipc"].map((type) => ({ type }));

/** A bundle that passes, with `change` over it. */
function spec(change: Record<string, unknown> = {}, linux: Record<string, unknown> = {}): Spec {
  return {
    ociVersion: "1.2.0",
    root: { path: "/rootfs" },
    process: { cwd: "/", args: ["true"], user: { uid: 0, gid: 0 } },
    linux: { namespaces: NAMESPACES, ...linux },
    ...change,
  } as unknown as Spec;
}

const PASSING: [name: string, spec: Spec][] = [
  ["a small one", spec()],
  ["a text that looks like an escaped NUL", spec({ hostname: "a\\u0000b" })],
  ["a proc file system", spec({ mounts: [{ type: "proc", destination: "/proc" }] })],
  ["a mount over /proc/uptime", spec({ mounts: [{ source: "/x", destination: "/proc/uptime" }] })],
];
for (const [name, good] of PASSING) {
  Deno.test(`checkSpec() accepts ${name}`, () => checkSpec(good));
}

const process = { cwd: "/", args: ["true"], user: { uid: 0, gid: 0 } };
const FAILING: [spec: Spec, problem: string][] = [
  [spec({ ociVersion: "2.0.0" }), 'version "2.0.0" is not 1.x'],
  [spec({ root: { path: "" } }), "root.path is empty"],
  [spec({ process: { ...process, args: ["a\0b"] } }), '"a\\u0000b" has a NUL inside'],
  [spec({ annotations: { "a\0b": "c" } }), '"a\\u0000b" has a NUL inside'],
  [spec({ hostname: "a\\u0000", domainname: "b\0" }), '"b\\u0000" has a NUL inside'],
  [spec({}, { namespaces: [{ type: "moon" }] }), 'namespace "moon" does not exist'],
  [
    spec({}, { namespaces: [...NAMESPACES, { type: "pid" }] }),
    'namespace "pid" is given twice',
  ],
  [spec({}, { namespaces: [], maskedPaths: ["/x"] }), "masked paths need a mount namespace"],
  [spec({ hostname: "x" }, { namespaces: [] }), "hostname needs a uts namespace"],
  [
    spec({ mounts: [{ source: "/x", destination: "/proc/./self" }] }),
    '"/x" cannot be mounted to "/proc/./self" because it is inside /proc',
  ],
  [spec({ diplodock: { preserveFds: -1 } }), "diplodock.preserveFds wants 0 to 1023"],
];
for (const [bad, problem] of FAILING) {
  Deno.test(`checkSpec() refuses what has the problem: ${problem}`, () => {
    const error = assertThrows(() => checkSpec(bad), UserError);
    assertEquals((error as Error).message, `Cannot use this configuration: ${problem}`);
  });
}
