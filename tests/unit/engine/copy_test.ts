/** The rules of `cp`: paths, targets, owners. */
import { assertEquals, assertThrows } from "@std/assert";
import {
  absolutePath,
  cleanPath,
  CopyPathError,
  type Destination,
  ownName,
  parsePlace,
  planCopy,
  type Source,
  splitPath,
} from "../../../src/engine/copy_paths.ts";
import { parseIdMap } from "../../../src/base/own_namespace.ts";
import { insideId, outsideId } from "../../../src/engine/copy_sinks.ts";

const CLEAN: [path: string, clean: string][] = [
  ["", "."],
  ["/", "/"],
  ["a//b/./c/..", "a/b"],
  ["../a/../..", "../.."],
  ["/../a", "/a"],
];
for (const [path, clean] of CLEAN) {
  Deno.test(`cleanPath() of "${path}" is "${clean}"`, () => assertEquals(cleanPath(path), clean));
}

const ABSOLUTE: [path: string, absolute: string][] = [
  ["f", "/here/f"],
  [".", "/here/."],
  ["d/", "/here/d/"],
  ["d/.", "/here/d/."],
  ["../x", "/x"],
  ["/", "/"],
  ["/a/../b/.", "/b/."],
];
for (const [path, absolute] of ABSOLUTE) {
  Deno.test(`absolutePath() of "${path}" is "${absolute}"`, () => {
    assertEquals(absolutePath(path, "/here"), absolute);
  });
}

const NAMES: [path: string, name: string][] = [
  ["/a/b", "b"],
  ["/a/b/", "b"],
  ["/a/b/.", "."],
  ["/", "."],
  [".", "."],
];
for (const [path, name] of NAMES) {
  Deno.test(`ownName() of "${path}" is "${name}"`, () => assertEquals(ownName(path), name));
}

Deno.test("splitPath() leaves what stands behind a link's target as it is", () => {
  assertEquals(splitPath("/a/../b/c"), { directory: "/a/../b", name: "c" });
  assertEquals(splitPath("/a/.."), { directory: "/a/..", name: "." });
  assertEquals(splitPath("/c"), { directory: "/", name: "c" });
});

const FILE: Source = { isDirectory: false, name: "f" };
const DIRECTORY: Source = { isDirectory: true, name: "d" };
const PLANS: [name: string, source: Source, to: Destination, directory: string, as: string][] = [
  ["a file into a directory", FILE, { path: "/t", kind: "directory" }, "/t", "f"],
  ["a directory into a directory", DIRECTORY, { path: "/t/", kind: "directory" }, "/t/", "d"],
  [
    "a directory's content into a directory",
    { isDirectory: true, name: "." },
    { path: "/t", kind: "directory" },
    "/t",
    ".",
  ],
  ["a file over a file", FILE, { path: "/t/x", kind: "other" }, "/t", "x"],
  ["a file as a new one", FILE, { path: "/t/new", kind: undefined }, "/t", "new"],
  ["a directory as a new one", DIRECTORY, { path: "/t/new/", kind: undefined }, "/t", "new"],
  ["a directory as a new one in /", DIRECTORY, { path: "/new/.", kind: undefined }, "/", "new"],
];
for (const [name, source, to, directory, as] of PLANS) {
  Deno.test(`planCopy() of ${name}`, () => {
    assertEquals(planCopy(source, to), { directory, name: as });
  });
}

Deno.test("planCopy() refuses a directory over a file, and a file as a new directory", () => {
  assertThrows(
    () => planCopy(DIRECTORY, { path: "/f", kind: "other" }),
    CopyPathError,
    "cannot copy directory",
  );
  assertThrows(
    () => planCopy(FILE, { path: "/n/", kind: undefined }),
    CopyPathError,
    "no such directory",
  );
});

const PLACES: [text: string, container: string | undefined, path: string][] = [
  ["web:/etc", "web", "/etc"],
  ["web:etc:x", "web", "etc:x"],
  ["./a:b", undefined, "./a:b"],
  ["/a:b", undefined, "/a:b"],
  ["-", undefined, "-"],
];
for (const [text, container, path] of PLACES) {
  Deno.test(`parsePlace() of "${text}"`, () => {
    assertEquals(parsePlace(text), container === undefined ? { path } : { container, path });
  });
}

Deno.test("id maps lead inside and back, and know what they do not have", () => {
  const map = parseIdMap("         0     100000       1000\n      1000       1000          1\n");
  assertEquals([insideId(map, 100000), insideId(map, 100999), insideId(map, 1000)], [0, 999, 1000]);
  assertEquals(insideId(map, 0), 65534);
  assertEquals([outsideId(map, 5), outsideId(map, 1000), outsideId(map, 1001)], [
    100005,
    1000,
    undefined,
  ]);
});
