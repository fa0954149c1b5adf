import { assertEquals } from "@std/assert";
import {
  closure,
  joinedEntry,
  parseChunk,
  protectUsing,
  redirect,
  standIn,
} from "../../../build/merge.ts";

const RUN = parseChunk(
  'import{a as x,b}from"./chunk-A.js";import"./chunk-B.js";x(b);export{x as command};',
);
const A = parseChunk('import{q}from"./chunk-B.js";var a=q,b=1;export{a,b};');
const B = parseChunk("var q=2;export{q};");
const CHUNKS = new Map([["run-1.js", RUN], ["chunk-A.js", A], ["chunk-B.js", B]]);

Deno.test("parseChunk() lists what a chunk imports and the names it exports", () => {
  assertEquals(RUN.imports, ["chunk-A.js", "chunk-B.js"]);
  assertEquals(RUN.exports, ["command"]);
  assertEquals(A.exports, ["a", "b"]);
});

Deno.test("closure() follows imports to their end, each file once", () => {
  assertEquals([...closure(CHUNKS, ["run-1.js"])], ["run-1.js", "chunk-A.js", "chunk-B.js"]);
});

Deno.test("joinedEntry() gives every name of every chunk a name of its own", () => {
  assertEquals(
    joinedEntry(CHUNKS, ["chunk-A.js", "run-1.js"]),
    'export { a as j0_a, b as j0_b } from "./chunk-A.js";\n' +
      'export { command as j1_command } from "./run-1.js";',
  );
});

const REDIRECTED: [name: string, text: string, want: string][] = [
  [
    "takes the names of a joined chunk from the joined file",
    'import{a as x,b}from"./chunk-A.js";x(b);',
    'import{j0_a as x,j0_b as b}from"./hot.js";x(b);',
  ],
  ["keeps imports of other chunks", 'import{y}from"./other.js";', 'import{y}from"./other.js";'],
  [
    "imports the joined file once for what was imported without names",
    'import"./chunk-A.js";import"./chunk-B.js";f();',
    'import"./hot.js";f();',
  ],
  ["leaves dynamic imports alone", 'import("./chunk-A.js")', 'import("./chunk-A.js")'],
];
for (const [name, text, want] of REDIRECTED) {
  Deno.test(`redirect() ${name}`, () => {
    assertEquals(redirect(text, ["chunk-A.js", "chunk-B.js"], "hot.js"), want);
  });
}

Deno.test("standIn() exports the joined names under the chunk's own", () => {
  assertEquals(standIn(RUN, 2, "hot.js"), 'export{j2_command as command}from"./hot.js";\n');
});

const DISPOSING = `
class Lock {
  constructor(log) { this.log = log; log.push("taken"); }
  [Symbol.dispose]() { this.log.push("given back"); }
}
export function asked(log) {
  using lock = new Lock(log);
  if (lock === undefined) return;
  log.push("worked");
}
export function used(log, work) {
  using lock = new Lock(log);
  work(lock);
}
export async function awaited(log, work) {
  await using stack = new AsyncDisposableStack();
  work(stack.use(new Lock(log)));
}
`;

Deno.test("protectUsing() makes the minifier keep what is disposed at the end", async () => {
  const folder = await Deno.makeTempDir({ prefix: "diplodock-merge-" });
  try {
    await Deno.writeTextFile(`${folder}/in.js`, protectUsing(DISPOSING));
    const args = ["bundle", "--quiet", "--minify", "-o", `${folder}/out.js`, `${folder}/in.js`];
    const { success } = await new Deno.Command(Deno.execPath(), { args }).output();
    assertEquals(success, true);
    const { asked, used, awaited } = await import(`file://${folder}/out.js`);
    for (const run of [asked, used, awaited]) {
      const log: string[] = [];
      await run(log, () => log.push("worked"));
      assertEquals(log, ["taken", "worked", "given back"]);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
