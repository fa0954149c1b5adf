/** How chunks are shared out among the joined files. */
import { assertEquals } from "@std/assert";
import { parseChunk, shareOut } from "../../../build/merge.ts";

const CHUNKS = new Map(
  Object.entries({
    "main.js": 'import"./chunk-M.js";',
    "chunk-M.js": "",
    "exec-1.js": 'import"./chunk-A.js";import"./chunk-M.js";',
    "run-1.js": 'import"./chunk-A.js";import"./chunk-B.js";',
    "chunk-A.js": "",
    "chunk-B.js": "",
    "other-1.js": 'import"./chunk-B.js";',
  }).map(([name, text]) => [name, parseChunk(text)]),
);

Deno.test("shareOut() gives a chunk to the first group that loads it", () => {
  const groups = [{ target: "exec.js", hot: ["exec"] }, { target: "hot.js", hot: ["run"] }];
  assertEquals(shareOut(CHUNKS, new Set(["main.js", "chunk-M.js"]), groups), [
    { target: "exec.js", names: ["exec-1.js", "chunk-A.js"] },
    { target: "hot.js", names: ["run-1.js", "chunk-B.js"] },
  ]);
});

Deno.test("shareOut() of a group that is shared gives what both load, the rest to the next ones", () => {
  const groups = [
    { target: "both.js", hot: ["run"], sharedWith: ["other"] },
    { target: "run.js", hot: ["run"] },
    { target: "other.js", hot: ["other"] },
  ];
  assertEquals(shareOut(CHUNKS, new Set(["main.js", "chunk-M.js"]), groups), [
    { target: "both.js", names: ["chunk-B.js"] },
    { target: "run.js", names: ["run-1.js", "chunk-A.js"] },
    { target: "other.js", names: ["other-1.js"] },
  ]);
});
