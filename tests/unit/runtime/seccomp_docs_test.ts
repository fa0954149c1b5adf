import { assertEquals } from "@std/assert";
import { DENIED, SECCOMP_PAGE, seccompPage } from "../../../docs/seccomp_page.ts";
import { type SeccompMachine, syscallNumbers } from "../../../src/runtime/seccomp_numbers.ts";
import { allowedNames, CONDITIONAL } from "../../../src/runtime/seccomp_profile.ts";

const words = (rows: readonly { calls: string }[]) => rows.flatMap(({ calls }) => calls.split(" "));

Deno.test("docs/seccomp.md is what the tables say", () => {
  assertEquals(Deno.readTextFileSync(SECCOMP_PAGE), seccompPage(), "run: deno task seccomp-docs");
});

for (const machine of ["x86_64", "x32", "x86", "aarch64", "arm"] as SeccompMachine[]) {
  Deno.test(`every call of ${machine} is allowed, conditional or refused with a reason`, () => {
    const allowed = new Set([...allowedNames().split(" "), ...words(CONDITIONAL)]);
    const denied = new Set(words(DENIED));
    for (const name of syscallNumbers(machine).keys()) {
      assertEquals(allowed.has(name) !== denied.has(name), true, name);
    }
  });
}

Deno.test("no call is in two groups of the default profile", () => {
  const names = [...allowedNames().split(" "), ...words(DENIED)];
  assertEquals(names.filter((name, i) => names.indexOf(name) !== i), []);
});
