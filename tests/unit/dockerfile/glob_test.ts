import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { Glob } from "../../../src/build/glob.ts";

/** Few stars and many go different ways. */
const CASES: [pattern: string, matches: string[], others: string[]][] = [
  ["a*b*c*d", ["abcd", "axbxcxd", "abbccdd"], ["abc", "a/bcd", "abcdx", ""]],
  ["*a*a*a*", ["aaa", "xaxaxax"], ["aa", "a/aa"]],
  ["**/a/**/b/**/c", ["a/b/c", "x/a/y/z/b/c", "a/b/b/c"], ["a/b", "a/bx/c", "xa/b/c"]],
  ["**/*.x/**/*", ["a.x/b", "q/a.x/b", "q/a.x/r/b"], ["a.x", "ax/b"]],
  ["a/**/**/b/*/*", ["a/b/c/d", "a/x/b/c/d"], ["a/b/c", "ab/c/d"]],
  ["*[a-c]*[^d]*?", ["aee", "xbxyz", "b/é"], ["a", "xdd", "éé"]],
  ["*/**/*/**", ["a/b/", "a/b/c", "a/x/y/z"], ["a", "a/b"]],
  ["?**é*ü*", ["aéü", "a/éxü"], ["éü", "a"]],
  ["\\*\\[*?*", ["*[a", "*[ab"], ["*[", "a[b"]],
  ["[é-ü]", ["ö"], ["a", "öö"]],
  ["a.(b)+{c}|$^", ["a.(b)+{c}|$^"], ["axbc"]],
];

for (const [pattern, matches, others] of CASES) {
  Deno.test(`Glob ${pattern} matches what it should`, () => {
    const glob = new Glob(pattern);
    assertEquals(matches.filter((text) => !glob.test(text)), []);
    assertEquals(others.filter((text) => glob.test(text)), []);
  });
}

Deno.test("Glob answers for patterns that a regular expression would try for years", () => {
  const long = "a".repeat(250), deep = Array.from({ length: 100 }, () => "a").join("/");
  assertEquals(new Glob(`${"*a".repeat(30)}*b`).test(long), false);
  assertEquals(new Glob(`${"*a".repeat(30)}*`).test(long), true);
  assertEquals(new Glob(`${"**/a/".repeat(20)}b`).test(deep), false);
});

Deno.test("Glob refuses what is no pattern", () => {
  for (const pattern of ["[", "a[", "[]", "[z-a]"]) {
    assertThrows(() => new Glob(pattern), UserError, "syntax error in pattern");
  }
});
