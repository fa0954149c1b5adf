import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { type CommandSpec, parseArgs, UsageError } from "../../../src/cli/args.ts";
import { describe } from "../../../src/cli/exit.ts";

const PS: CommandSpec = {
  name: "ps",
  usage: "[OPTIONS]",
  summary: "List containers",
  args: [0, 0],
  flags: { filter: { type: "list", short: "f" }, format: { type: "string" } },
};

// Seen with docker CLI 28.2.2, but for the suggestion.
const USAGE: [argv: string[], path: string, want: string, code: number][] = [
  [
    ["--foo"],
    "ps",
    "unknown flag: --foo\n\nUsage:  diplodock ps [OPTIONS]\n\nRun 'diplodock ps --help' for more information",
    125,
  ],
  [
    ["--fitler", "a=b"],
    "container ls",
    "unknown flag: --fitler\n\nDid you mean '--filter'?\n\nUsage:  diplodock container ls [OPTIONS]\n\nRun 'diplodock container ls --help' for more information",
    125,
  ],
  [
    ["x"],
    "container ls",
    "diplodock: 'diplodock container ls' accepts no arguments\n\nUsage:  diplodock container ls [OPTIONS]\n\nRun 'diplodock container ls --help' for more information",
    1,
  ],
];
for (const [argv, path, want, code] of USAGE) {
  Deno.test(`describe() of "${path} ${argv.join(" ")}" has docker's lines`, async () => {
    const error = assertThrows(() => parseArgs(PS, argv), UsageError);
    assertEquals(await describe(error, path), { text: want, code });
  });
}

Deno.test("describe() says See where docker does", async () => {
  const spec = { ...PS, name: "stop", usage: "[OPTIONS] CONTAINER [CONTAINER...]" };
  const error = assertThrows(() => parseArgs({ ...spec, args: [1, Infinity] }, []), UsageError);
  assertEquals(
    (await describe(error, "stop")).text,
    "diplodock: 'diplodock stop' requires at least 1 argument\n\n" +
      "Usage:  diplodock stop [OPTIONS] CONTAINER [CONTAINER...]\n\n" +
      "See 'diplodock stop --help' for more information",
  );
});

class SyscallError extends Error {
  override name = "SyscallError";
}

const ERRORS: [name: string, error: unknown, text: string, code: number][] = [
  ["a user's error", new UserError("no such thing", 127), "no such thing", 127],
  ["a hint", new UserError("no such thing", 1, "try x"), "no such thing (try x)", 1],
  ["control characters", new UserError("name \x1b[2J\r"), "name \\x1b[2J\\x0d", 1],
  ["a kernel error", new SyscallError("Cannot mount: EPERM"), "Cannot mount: EPERM", 1],
  ["a file error", new Deno.errors.NotFound("No such file: open 'x'"), "No such file: open 'x'", 1],
  [
    "an error whose undoing failed, too",
    new SuppressedError(new Error("later"), new SuppressedError("sooner", new UserError("first"))),
    "first",
    1,
  ],
  [
    "a bug",
    new TypeError("x is not a function"),
    "diplodock: internal error: TypeError: x is not a function\n" +
    "This is a bug in Diplodock; DIPLODOCK_DEBUG=1 shows where",
    1,
  ],
  [
    "what is no Error",
    "oops",
    "diplodock: internal error: oops\nThis is a bug in Diplodock; DIPLODOCK_DEBUG=1 shows where",
    1,
  ],
];
for (const [name, error, text, code] of ERRORS) {
  Deno.test(`describe() of ${name}`, async () => {
    assertEquals(await describe(error, "ps"), { text, code });
  });
}

Deno.test("describe() with debug adds the stack; a bug in run is docker's 125", async () => {
  const { text, code } = await describe(new TypeError("x"), "run", true);
  assertEquals([text.includes("exit_test.ts"), code], [true, 125]);
});
