/** The README names commands and files that exist. */
import { assert, assertEquals } from "@std/assert";
import { resolve } from "../../../src/cli/commands.ts";

const README = Deno.readTextFileSync("README.md");

/** Command lines of our own in the README's shell blocks. */
function commandLines(): string[] {
  return [...README.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block]) =>
    [...block.matchAll(/(?:^|\| |&& sudo dist\/)diplodock (.+)$/gm)].map(([, words]) => words)
  );
}

for (const line of commandLines()) {
  Deno.test(`README: diplodock ${line} is a command`, () => {
    assertEquals(resolve(line.split(" ")).kind, "command");
  });
}

Deno.test("README has examples at all", () => assert(commandLines().length > 15));

for (const [, path] of README.matchAll(/\]\(([^)#:]+)\)/g)) {
  Deno.test(`README links to ${path}, which exists`, () => assert(Deno.statSync(path).isFile));
}

const TESTS = new Set(testNames("tests"));

function testNames(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap((entry) =>
    entry.isDirectory ? testNames(`${folder}/${entry.name}`) : [entry.name]
  );
}

const SECURITY = Deno.readTextFileSync("docs/SECURITY.md");
for (const name of new Set(SECURITY.match(/\b[a-z_]+_test\.ts/g))) {
  Deno.test(`SECURITY.md: there is a test ${name}`, () => assert(TESTS.has(name)));
}
