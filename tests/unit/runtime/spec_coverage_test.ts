import { assert, assertEquals } from "@std/assert";
import {
  COVERAGE_PAGE,
  coverageOf,
  coveragePage,
  ENTRIES,
} from "../../../docs/spec_coverage_page.ts";
import { fieldPaths, SPEC_SHAPE } from "../../../src/runtime/spec_shape.ts";

const FIELDS = fieldPaths(SPEC_SHAPE);

Deno.test("every field of the specification has an answer", () => {
  assertEquals(FIELDS.filter((path) => coverageOf(path) === undefined), []);
});

Deno.test("every answer is for a field", () => {
  const used = new Set(FIELDS.map((path) => coverageOf(path)?.[0]));
  assertEquals(ENTRIES.map(([path]) => path).filter((path) => !used.has(path)), []);
});

Deno.test("every field of the types is in the shape", () => {
  // Names only: what each holds is what the compiler sees.
  const source = Deno.readTextFileSync("src/runtime/spec_types.ts");
  const body = source.slice(0, source.indexOf("/** What an OCI bundle cannot say")) +
    source.slice(source.indexOf("/** `process`. */"));
  const names = [...body.matchAll(/^ {2}(\w+)\??:/gm)].map(([, name]) => name);
  assert(names.length > 100);
  const known = new Set(FIELDS.flatMap((path) => path.split(/[.[\]]+/)));
  assertEquals(names.filter((name) => !known.has(name) && name !== "diplodock"), []);
});

Deno.test("docs/spec-coverage.md is what the tables say", () => {
  assertEquals(Deno.readTextFileSync(COVERAGE_PAGE), coveragePage(), "run: deno task spec-docs");
});
