/** Each difference to docker that the transcripts show has its reason in the page of differences. */
import { assertEquals } from "@std/assert";
import { parseTranscript } from "../../lib/transcript.ts";

const FOLDER = "tests/golden/docker";
const page = Deno.readTextFileSync("docs/docker-differences.md");
const explained = [...page.matchAll(/^### (.+)$/gm)].map(([, title]) => title);
const entries = [...Deno.readDirSync(FOLDER)].flatMap(({ name }) =>
  parseTranscript(Deno.readTextFileSync(`${FOLDER}/${name}`))
);
const reasons = new Set(entries.flatMap(({ ours }) => ours?.why ?? []));

Deno.test("docker-differences.md explains what the transcripts show", () => {
  assertEquals([...reasons].filter((reason) => !explained.includes(reason)), []);
});

Deno.test("the transcripts have at least 400 lines, most of them without a difference", () => {
  const same = entries.filter(({ ours }) => ours === undefined).length;
  assertEquals([entries.length >= 400, same / entries.length > 0.85], [true, true]);
});
