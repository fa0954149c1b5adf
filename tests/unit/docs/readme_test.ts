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
