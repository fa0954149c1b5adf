import { assertEquals, assertThrows } from "@std/assert";
import {
  inheritEnv,
  parseEnv,
  parseKeyValueFile,
  parseLabel,
  toMap,
  withProxies,
} from "../../../../src/cli/flags/env.ts";
import { fakeHost } from "./host.ts";

Deno.test("inheritEnv() takes the client's value, and leaves a name it has not", () => {
  const host = fakeHost({ env: { HOME: "/home/me", EMPTY: "" } });
  assertEquals(inheritEnv(["A=1", "HOME", "EMPTY", "GONE", "B="], host), [
    "A=1",
    "HOME=/home/me",
    "EMPTY=",
    "GONE",
    "B=",
  ]);
});

Deno.test("parseEnv() refuses a value without a name", () => {
  assertEquals(
    assertThrows(() => parseEnv("=x")).message,
    "invalid environment variable: =x",
  );
});

Deno.test("parseLabel() refuses an empty name and blanks in a name", () => {
  assertEquals(parseLabel("a=b c"), "a=b c");
  assertEquals(assertThrows(() => parseLabel("=b")).message, "invalid label '=b': empty name");
  assertEquals(
    assertThrows(() => parseLabel("a b=c")).message,
    "label 'a b' contains whitespaces",
  );
});

Deno.test("toMap() keeps the last value and everything after the first equals sign", () => {
  assertEquals(toMap(["a=1", "a=2=3", "b"]), { a: "2=3", b: "" });
});

const FILES: [name: string, text: string, want: string[]][] = [
  ["plain lines", "A=1\nB=2\n", ["A=1", "B=2"]],
  ["the last line without a line feed", "A=1", ["A=1"]],
  ["carriage returns", "A=1\r\nB=2\r\n", ["A=1", "B=2"]],
  ["comments and blank lines", "# x\n\n  # y\n\tA=1", ["A=1"]],
  ["values as they are", `A="x" # no comment \n`, [`A="x" # no comment `]],
  ["a byte order mark", "\ufeffA=1", ["A=1"]],
  ["names of the client's", "HOME\nGONE\nA=", ["HOME=/home/me", "A="]],
];
for (const [name, text, want] of FILES) {
  Deno.test(`parseKeyValueFile() reads ${name}`, () => {
    const host = fakeHost({ env: { HOME: "/home/me" }, files: { f: text } });
    assertEquals(parseKeyValueFile("f", host, (key) => host.env(key)), want);
  });
}

const BAD_FILES: [name: string, content: string | Uint8Array | null, error: string][] = [
  ["a blank in a name", "D =1", "invalid env file (f): variable 'D ' contains whitespaces"],
  ["no name", "=x", "invalid env file (f): no variable name on line '=x'"],
  ["a directory", null, "invalid env file (f): read f: is a directory"],
  [
    "bytes that are no UTF-8",
    Uint8Array.of(65, 61, 49, 10, 255, 61),
    "invalid env file (f): invalid utf8 bytes at line 2: [255 61]",
  ],
];
for (const [name, content, error] of BAD_FILES) {
  Deno.test(`parseKeyValueFile() refuses ${name}`, () => {
    const host = fakeHost({ files: { f: content } });
    assertEquals(assertThrows(() => parseKeyValueFile("f", host, () => "")).message, error);
  });
}

Deno.test("parseKeyValueFile() names a file that is not there", () => {
  assertEquals(
    assertThrows(() => parseKeyValueFile("f", fakeHost(), () => "")).message,
    "open f: no such file or directory",
  );
});

Deno.test("withProxies() adds both spellings, but not over what is given", () => {
  assertEquals(withProxies(["http_proxy=x"], { httpProxy: "p", noProxy: "" }), [
    "http_proxy=x",
    "HTTP_PROXY=p",
  ]);
});
