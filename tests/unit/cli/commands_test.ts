import { assert, assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { QUICK_COMMANDS } from "../../../src/base/self.ts";
import { COMMANDS, GROUPS, groupVerbs, resolve } from "../../../src/cli/commands.ts";
import { parseArgs } from "../../../src/cli/args.ts";
import { front } from "../../../src/cli/front.ts";

Deno.test("resolve() finds commands, their spellings in groups, and what is neither", () => {
  const asked = (...args: string[]) => {
    const { kind, path, rest } = resolve(args);
    return [kind, path, rest];
  };
  assertEquals(asked("version", "-f", "x"), ["command", "version", ["-f", "x"]]);
  assertEquals(asked("image", "ls", "-q"), ["command", "image ls", ["-q"]]);
  assertEquals(asked("image", "nosuch"), ["group", "image", ["nosuch"]]);
  assertEquals(asked("image"), ["group", "image", []]);
  assertEquals(asked("image", "--help"), ["group", "image", ["--help"]]);
  assertEquals(asked("nosuch", "a"), ["front", "", ["nosuch", "a"]]);
  assertEquals(asked("image ls"), ["front", "", ["image ls"]]);
  assertEquals(asked("toString"), ["front", "", ["toString"]]);
  assertEquals(asked(), ["front", "", []]);
});

for (const [name, row] of Object.entries(COMMANDS)) {
  Deno.test(`the module of "${name}" has a command and a spec that fits the table`, async () => {
    const module = await row.load();
    assertEquals(typeof module.command, "function");
    if (module.spec === undefined) return;
    const spellings = [module.spec.name, ...module.spec.aliases ?? []];
    assert(spellings.includes(name), `${name} is not among ${spellings.join(", ")}`);
    for (const [flag, { alias, short }] of Object.entries(module.spec.flags)) {
      assert(alias === undefined || alias in module.spec.flags, `${flag}: no flag ${alias}`);
      assert(short === undefined || short.length === 1, `${flag}: -${short}`);
    }
    const shorts = Object.values(module.spec.flags).map((flag) => flag.short).filter(Boolean);
    assertEquals(new Set(shorts).size, shorts.length, "a letter twice");
  });
}

/** The program's words in an example line: behind its name, up to a pipe or a redirection. */
function exampleWords(line: string): string[] | undefined {
  const inner = line.replace(/(?<=^diplodock .*)\$\(.*?\)/, "x"); // $(…) stands for a word
  const [, rest] = /(?:^|[|(] *|&& *|=)diplodock (.*)$/.exec(inner) ?? [];
  const words = rest?.match(/(?:[^\s"'|<>()]|"[^"]*"|'[^']*'|(?<=\S)[<>])+|[|<>)]/g) ?? undefined;
  const end = words?.findIndex((word) => /^[|<>)]/.test(word)) ?? -1;
  return words?.slice(0, end < 0 ? undefined : end).map((word) => word.replace(/["']/g, ""));
}

for (const [name, row] of Object.entries(COMMANDS)) {
  if (row.section === "hidden") continue;
  Deno.test(`the help page of "${name}" has examples, which parse`, async () => {
    const { spec } = await row.load();
    if (spec === undefined) return; // a family of commands with help of its own
    const lines = (spec.examples ?? []).map(exampleWords).filter((words) => words !== undefined);
    assert(lines.length > 0, `${name} has no example`);
    for (const words of lines) {
      const request = resolve(words);
      assert(request.kind === "command" && request.row === row, `"${words.join(" ")}": ${name}`);
      parseArgs(spec, request.rest);
    }
  });
}

Deno.test("every group has verbs, and each spelling of a verb has its command", () => {
  for (const name of Object.keys(GROUPS)) {
    for (const [verb, row] of groupVerbs(name)) {
      const request = resolve([name, verb]);
      assert(request.kind === "command" && request.row === row, `${name} ${verb}`);
    }
  }
});

const UNKNOWN: [words: string[], want: string, code: number][] = [
  [
    ["zzzzz"],
    "diplodock: unknown command: diplodock zzzzz\n\nRun 'diplodock --help' for more information",
    1,
  ],
  [
    ["versoin"],
    "diplodock: unknown command: diplodock versoin\n\nDid you mean 'diplodock version'?\n\nRun 'diplodock --help' for more information",
    1,
  ],
  [
    ["image", "zzzzz"],
    "diplodock: unknown command: diplodock image zzzzz\n\nUsage:  diplodock image\n\nRun 'diplodock image --help' for more information",
    1,
  ],
  [
    ["--foo"],
    "unknown flag: --foo\n\nUsage:  diplodock [OPTIONS] COMMAND [ARG...]\n\nRun 'diplodock --help' for more information",
    125,
  ],
  [
    ["-Z"],
    "unknown shorthand flag: 'Z' in -Z\n\nUsage:  diplodock [OPTIONS] COMMAND [ARG...]\n\nRun 'diplodock --help' for more information",
    125,
  ],
  [["help", "zzzzz"], "unknown help topic: zzzzz", 1],
];
for (const [words, want, code] of UNKNOWN) {
  Deno.test(`front() refuses "${words.join(" ")}" as docker does`, async () => {
    const request = resolve(words);
    assert(request.kind !== "command");
    const error = await assertRejects(() => front(request), UserError);
    assertEquals([error.message, error.exitCode], [want, code]);
  });
}

Deno.test("QUICK_COMMANDS are commands", () => {
  assertEquals(QUICK_COMMANDS.filter((name) => !(name in COMMANDS) && !(name in GROUPS)), []);
});
