import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { ignoreLines, IgnoreList } from "../../../src/build/ignore.ts";

/** From the Dockerfile reference and moby/patternmatcher's tests. */
const CASES: [lines: string[], path: string, want: boolean][] = [
  [["*.md"], "README.md", true],
  [["*.md"], "docs/README.md", false],
  [["*/temp*"], "some/temporary.txt", true],
  [["*/temp*"], "temporary.txt", false],
  [["temp?"], "tempa", true],
  [["temp?"], "temp", false],
  [["**"], "a/b", true],
  [["**/*.go"], "a.go", true],
  [["**/*.go"], "x/y/a.go", true],
  [["**/*.go"], "x/y/a.gox", false],
  [["a/**"], "a/b/c", true],
  [["a/**"], "a", false],
  [["a/**/b"], "a/b", true],
  [["a/**/b"], "a/x/y/b", true],
  [["node_modules"], "node_modules/x/y", true],
  [["node_modules"], "x/node_modules", false],
  [["/foo"], "foo", true],
  [["./foo/"], "foo/bar", true],
  [["foo/../bar"], "bar", true],
  [["*.md", "!README.md"], "README.md", false],
  [["*.md", "!README*.md", "README-secret.md"], "README-secret.md", true],
  [["*.md", "README-secret.md", "!README*.md"], "README-secret.md", false],
  [["docs", "!docs/keep"], "docs/keep", false],
  [["docs", "!docs/keep"], "docs/other", true],
  [["docs", "!docs/keep"], "docs/keep/all", false],
  [["[a-c].txt"], "b.txt", true],
  [["[^a-c].txt"], "b.txt", false],
  [["a\\*"], "a*", true],
  [["a\\*"], "ab", false],
  [["a.b"], "axb", false],
  [["."], "a", false],
];

for (const [lines, path, want] of CASES) {
  Deno.test(`${JSON.stringify(lines)} ${want ? "ignores" : "keeps"} ${path}`, () => {
    assertEquals(new IgnoreList(lines).ignores(path), want);
  });
}

Deno.test("ignoreLines() drops comments and blanks", () => {
  assertEquals(ignoreLines("\uFEFF# c\n\n  a  \r\n!b\n #d\n"), ["a", "!b", "#d"]);
});

Deno.test("mayKeepBelow() tells which ignored directories must be looked into", () => {
  const list = new IgnoreList(["*", "!src/*/keep", "!**/x.go"]);
  assertEquals(list.mayKeepBelow("src/a"), true);
  const narrow = new IgnoreList(["*", "!src/*/keep"]);
  assertEquals(["src", "src/a", "other"].map((path) => narrow.mayKeepBelow(path)), [
    true,
    true,
    false,
  ]);
});

Deno.test("a pattern that is none is refused", () => {
  assertThrows(() => new IgnoreList(["a[b"]), UserError, "syntax error in pattern");
  assertThrows(() => new IgnoreList(["!"]), UserError, "illegal exclusion pattern");
});
