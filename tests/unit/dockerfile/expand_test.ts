import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { expand, expandWords } from "../../../src/image/expand.ts";

const VALUES: Record<string, string> = {
  x: "one",
  empty: "",
  path: "/a/b/c.tar.gz",
  blank: "two words",
  star: "a*b",
};
const lookup = (name: string) => VALUES[name];

/** From the Dockerfile reference, moby's tests of the shell's words, and a shell. */
const CASES: [text: string, want: string][] = [
  ["plain", "plain"],
  ["$x", "one"],
  ["${x}", "one"],
  ["$x$x", "oneone"],
  ["${x}y", "oney"],
  ["$xy", ""],
  ["$", "$"],
  ["$ x", "$ x"],
  ["$$x", "$one"],
  ["\\$x", "$x"],
  ["\\${x}", "${x}"],
  ["'$x'", "$x"],
  ['"$x"', "one"],
  ['"\\$x"', "$x"],
  ['"\\a"', "\\a"],
  ["a\\ b", "a b"],
  ["a\\", "a\\"],
  ["'a''b'", "ab"],
  ["${no:-w}", "w"],
  ["${empty:-w}", "w"],
  ["${empty-w}", ""],
  ["${no-w}", "w"],
  ["${x:-w}", "one"],
  ["${x:+w}", "w"],
  ["${empty:+w}", ""],
  ["${empty+w}", "w"],
  ["${no+w}", ""],
  ["${x:?no}", "one"],
  ["${no:-${x}}", "one"],
  ["${no:-'a b'}", "a b"],
  ["${path#*/}", "a/b/c.tar.gz"],
  ["${path##*/}", "c.tar.gz"],
  ["${path%.*}", "/a/b/c.tar"],
  ["${path%%.*}", "/a/b/c"],
  ["${path#x}", "/a/b/c.tar.gz"],
  ["${path/b/X}", "/a/X/c.tar.gz"],
  ["${path//a/X}", "/X/b/c.tXr.gz"],
  ["${path//\\//-}", "-a-b-c.tar.gz"],
  ["${star/\\*/+}", "a+b"],
  ["${x%?}", "on"],
];

for (const [text, want] of CASES) {
  Deno.test(`expand() makes ${JSON.stringify(want)} of ${text}`, () => {
    assertEquals(expand(text, lookup, { escape: "\\" }), want);
  });
}

const WRONG: [text: string, message: string][] = [
  ["${x", "syntax error: missing '}'"],
  ["${}", "bad substitution"],
  ["${x~y}", "unsupported modifier (~) in substitution"],
  ["${no?}", "no: not allowed to be unset"],
  ["${no:?it is needed}", "no: it is needed"],
  ["${x:-y", "unexpected end of statement"],
  ["'a", "matching single-quote"],
  ['"a', "matching double-quote"],
];

for (const [text, message] of WRONG) {
  Deno.test(`expand() refuses ${text}`, () => {
    assertThrows(() => expand(text, lookup, { escape: "\\" }), UserError, message);
  });
}

Deno.test("expand() leaves quotes of a here-document alone", () => {
  const text = "\"$x\" '$x' \\$x \\n";
  assertEquals(expand(text, lookup, { escape: "\\", raw: true }), "\"one\" 'one' \\$x \\n");
});

Deno.test("expand() takes another escape", () => {
  assertEquals(expand("`$x \\$x", lookup, { escape: "`" }), "$x \\one");
});

Deno.test("expandWords() cuts what variables bring, and not what is quoted", () => {
  const words = expandWords(`a $blank "$blank" 'c d'`, lookup, { escape: "\\" });
  assertEquals(words, ["a", "two", "words", "two words", "c d"]);
});
