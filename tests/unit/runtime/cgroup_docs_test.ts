import { assertEquals } from "@std/assert";
import { CGROUP_PAGE, cgroupPage } from "../../../docs/cgroups_page.ts";

Deno.test("docs/cgroups.md is what the table says", () => {
  assertEquals(Deno.readTextFileSync(CGROUP_PAGE), cgroupPage(), "run: deno task cgroup-docs");
});
