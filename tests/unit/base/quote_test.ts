import { assertEquals } from "@std/assert";
import { quoteGo, quoteRune } from "../../../src/base/quote.ts";

const CASES: [text: string, want: string][] = [
  ["abc", '"abc"'],
  ['a"b\\', '"a\\"b\\\\"'],
  ["a\n\t\x07\x00\x7f", '"a\\n\\t\\a\\x00\\x7f"'],
  ["é日😀", '"é日😀"'],
  ["\u200b\u2028", '"\\u200b\\u2028"'],
  ["it's", '"it\'s"'],
];
for (const [text, want] of CASES) {
  Deno.test(`quoteGo() of ${JSON.stringify(text)}`, () => assertEquals(quoteGo(text), want));
}

Deno.test("quoteRune() escapes its own mark only", () => {
  assertEquals([quoteRune("'"), quoteRune('"'), quoteRune("x")], ["'\\''", "'\"'", "'x'"]);
});
