import { assertEquals, assertThrows } from "@std/assert";
import {
  booleanFilter,
  collectFilters,
  matchAny,
  matchLabels,
  matchName,
  matchNoLabels,
  parseFilter,
} from "../../../src/base/filter.ts";
import { UserError } from "../../../src/base/errors.ts";

const filters = (...texts: string[]) => collectFilters(texts.map(parseFilter));

Deno.test("parseFilter() splits at the first = and trims", () => {
  assertEquals(parseFilter("label=a=b"), ["label", "a=b"]);
  assertEquals(parseFilter(" Status = running "), ["status", "running"]);
  assertThrows(() => parseFilter("name"), Error, "bad format of filter (expected name=value)");
});

Deno.test("collectFilters() refuses an unknown key with docker's text", () => {
  const error = assertThrows(() => collectFilters([["foo", "x"]], ["name"]), UserError);
  assertEquals([error.message, error.exitCode], ["invalid filter 'foo'", 1]);
});

Deno.test("matchAny() takes values of one key as alternatives", () => {
  const both = filters("status=running", "status=paused");
  assertEquals(matchAny(both, "status", (value) => value === "paused"), true);
  assertEquals(matchAny(both, "status", (value) => value === "dead"), false);
  assertEquals(matchAny(both, "other", () => false), true);
});

const LABELS: [filters: string[], want: boolean][] = [
  [["label=a"], true],
  [["label=a=1"], true],
  [["label=a=2"], false],
  [["label=a", "label=b"], true],
  [["label=a", "label=c"], false],
  [["label=a="], false],
  [["label=e="], true],
  [["label=toString"], false],
];
for (const [texts, want] of LABELS) {
  Deno.test(`matchLabels() of ${texts.join(" and ")}: all must hold`, () => {
    assertEquals(matchLabels(filters(...texts), { a: "1", b: "2", e: "" }), want);
  });
}

Deno.test("matchNoLabels() refuses any of its labels", () => {
  assertEquals(matchNoLabels(filters("label!=keep"), { keep: "" }), false);
  assertEquals(matchNoLabels(filters("label!=keep=2"), { keep: "1" }), true);
  assertEquals(matchNoLabels(filters("label!=keep"), null), true);
});

const NAMES: [filter: string, want: boolean][] = [
  ["name=we", true],
  ["name=^web$", true],
  ["name=^/web$", true],
  ["name=/web", true],
  ["name=^eb", false],
  ["name=w.b", true],
  ["name=[", false],
];
for (const [text, want] of NAMES) {
  Deno.test(`matchName() of ${text}`, () => {
    assertEquals(matchName(filters(text), ["/web"]), want);
  });
}

Deno.test("booleanFilter() takes Go's words and refuses others", () => {
  assertEquals(booleanFilter(filters("dangling=true"), "dangling"), true);
  assertEquals(booleanFilter(filters("dangling=0"), "dangling"), false);
  assertEquals(booleanFilter(filters(), "dangling"), undefined);
  assertThrows(
    () => booleanFilter(filters("dangling=maybe"), "dangling"),
    UserError,
    "invalid filter 'dangling=[maybe]'",
  );
});
