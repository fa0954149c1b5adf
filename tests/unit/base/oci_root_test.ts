import { assertEquals } from "@std/assert";
import { OCI_ROOT, ociRoot } from "../../../src/base/oci_root.ts";

const OWN = "/run/user/1000/diplodock/oci";

const ROWS: [name: string, env: Record<string, string>, uid: number, inside: boolean, string][] = [
  ["root of the machine", { XDG_RUNTIME_DIR: "/run/user/0" }, 0, false, OCI_ROOT],
  ["an ordinary user", { XDG_RUNTIME_DIR: "/run/user/1000" }, 1000, false, OWN],
  ["a user whom an engine made root", { XDG_RUNTIME_DIR: "/run/user/1000" }, 0, true, OWN],
  [
    "root in a container",
    { XDG_RUNTIME_DIR: "/run/user/0", USER: "root" },
    0,
    true,
    OCI_ROOT,
  ],
  ["a user without such a directory", {}, 1000, false, OCI_ROOT],
  ["a relative path", { XDG_RUNTIME_DIR: "run" }, 1000, false, OCI_ROOT],
];

for (const [name, env, uid, inside, want] of ROWS) {
  Deno.test(`ociRoot() for ${name}`, () => {
    assertEquals(ociRoot((variable) => env[variable], uid, () => inside), want);
  });
}
