import { assertEquals, assertThrows } from "@std/assert";
import { HelpRequest, parseArgs, parseInteger, UsageError } from "../../../src/cli/args.ts";
import type { CommandSpec } from "../../../src/cli/args.ts";

function size(text: string): { bytes: number } {
  if (!/^\d+$/.test(text)) throw new Error(`invalid size: '${text}'`);
  return { bytes: Number(text) };
}

const RUN = {
  name: "run",
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  summary: "Create and run a new container from an image",
  flagsEnd: "first",
  args: [1, Infinity],
  flags: {
    "interactive": { type: "bool", short: "i" },
    "tty": { type: "bool", short: "t" },
    "detach": { type: "bool", short: "d" },
    "sig-proxy": { type: "bool", default: true },
    "name": { type: "string" },
    "hostname": { type: "string", short: "h" },
    "restart": { type: "string", default: "no" },
    "memory": { type: "string", short: "m", parse: size },
    "env": { type: "list", short: "e" },
    "network": { type: "list" },
    "net": { type: "list", alias: "network", hidden: true },
    "stop-timeout": { type: "int", short: "s" },
    "time": { type: "int", alias: "stop-timeout", deprecated: "use --stop-timeout instead" },
    "userns": { type: "string", bare: "auto" },
  },
} as const satisfies CommandSpec;

const LIST = {
  name: "ps",
  usage: "[OPTIONS]",
  summary: "List containers",
  args: [0, 2],
  flags: { "all": { type: "bool", short: "a" }, "filter": { type: "list", short: "f" } },
} as const satisfies CommandSpec;

Deno.test("parseArgs() infers the types of the options from the table", () => {
  const { options, given, args } = parseArgs(RUN, [
    "-itd",
    "--name=x",
    "-m5",
    "-e",
    "A=1",
    "-e=B=2",
    "img",
    "-x",
  ]);
  const typed: { tty: boolean; name: string | undefined; restart: string; env: string[] } = options;
  const memory: { bytes: number } | undefined = options.memory;
  assertEquals([typed.tty, typed.name, typed.restart, typed.env], [true, "x", "no", [
    "A=1",
    "B=2",
  ]]);
  assertEquals(memory, { bytes: 5 });
  assertEquals(options.sigProxy, true);
  assertEquals(options.stopTimeout, undefined);
  assertEquals([...given], ["interactive", "tty", "detach", "name", "memory", "env"]);
  assertEquals(args, ["img", "-x"]);
});

const GOOD: [name: string, argv: string[], key: string, want: unknown][] = [
  ["a bool with =false", ["--sig-proxy=false", "x"], "sigProxy", false],
  ["a cluster ending in a value", ["-ithost", "x"], "hostname", "ost"],
  ["a cluster with = before the value", ["-ie=A=b", "x"], "env", ["A=b"]],
  ["a value that looks like a flag", ["--name", "--tty", "x"], "name", "--tty"],
  ["an empty value after =", ["--name=", "x"], "name", ""],
  ["an alias", ["--net", "a", "--network", "b", "x"], "network", ["a", "b"]],
  ["the last of two values", ["--name", "a", "--name", "b", "x"], "name", "b"],
  ["an int in hex", ["-s0x10", "x"], "stopTimeout", 16],
  ["a negative int", ["-s", "-1", "x"], "stopTimeout", -1],
  ["a bare optional value", ["--userns", "x"], "userns", "auto"],
  ["a given optional value", ["--userns=host", "x"], "userns", "host"],
  ["a bool after = in a cluster", ["-i=false", "x"], "interactive", false],
];
for (const [name, argv, key, want] of GOOD) {
  Deno.test(`parseArgs() takes ${name}`, () => {
    const { options } = parseArgs(RUN, argv);
    assertEquals((options as Record<string, unknown>)[key], want);
  });
}

Deno.test("parseArgs() stops at the first argument only where the table says so", () => {
  assertEquals(parseArgs(RUN, ["img", "-i", "--foo", "--"]).args, ["img", "-i", "--foo", "--"]);
  const mixed = parseArgs(LIST, ["a", "-a", "--", "-f"]);
  assertEquals([mixed.args, mixed.options.all, mixed.dashAt], [["a", "-f"], true, 1]);
  assertEquals(parseArgs(RUN, ["-i", "--", "-x"]).args, ["-x"]);
  assertEquals(parseArgs(LIST, ["-", ""]).args, ["-", ""]);
});

// Seen with docker CLI 28.2.2.
const BAD: [argv: string[], line: string][] = [
  [["--foo"], "unknown flag: --foo"],
  [["--foo=1"], "unknown flag: --foo"],
  [["--toString"], "unknown flag: --toString"],
  [["-Z"], "unknown shorthand flag: 'Z' in -Z"],
  [["-it-"], "unknown shorthand flag: '-' in --"],
  [["-=x"], "unknown shorthand flag: '=' in -=x"],
  [["--=x"], "bad flag syntax: --=x"],
  [["---x"], "bad flag syntax: ---x"],
  [["--name"], "flag needs an argument: --name"],
  [["-ie"], "flag needs an argument: 'e' in -e"],
  [["-m", "abc"], 'invalid argument "abc" for "-m, --memory" flag: invalid size: \'abc\''],
  [
    ["--detach=maybe"],
    'invalid argument "maybe" for "-d, --detach" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
  ],
  [
    ["-s="],
    'invalid argument "=" for "-s, --stop-timeout" flag: strconv.ParseInt: parsing "=": invalid syntax',
  ],
  [
    ["--time", "abc"],
    'invalid argument "abc" for "--time" flag: strconv.ParseInt: parsing "abc": invalid syntax',
  ],
  [
    ["-s", "99999999999999999999"],
    'invalid argument "99999999999999999999" for "-s, --stop-timeout" flag: strconv.ParseInt: parsing "99999999999999999999": value out of range',
  ],
];
for (const [argv, line] of BAD) {
  Deno.test(`parseArgs() refuses ${argv.join(" ")} with docker's text`, () => {
    const error = assertThrows(() => parseArgs(RUN, argv), UsageError);
    assertEquals([error.message, error.exitCode], [line, 125]);
  });
}

const COUNTS: [args: readonly [number, number], given: number, want: string | undefined][] = [
  [[0, 0], 1, "diplodock: 'diplodock t' accepts no arguments"],
  [[1, Infinity], 0, "diplodock: 'diplodock t' requires at least 1 argument"],
  [[2, Infinity], 1, "diplodock: 'diplodock t' requires at least 2 arguments"],
  [[2, 2], 1, "diplodock: 'diplodock t' requires 2 arguments"],
  [[1, 1], 2, "diplodock: 'diplodock t' requires 1 argument"],
  [[0, 1], 2, "diplodock: 'diplodock t' requires at most 1 argument"],
  [[1, 2], 3, "diplodock: 'diplodock t' requires at least 1 and at most 2 arguments"],
  [[1, 2], 2, undefined],
];
for (const [args, given, want] of COUNTS) {
  Deno.test(`parseArgs() with ${given} arguments where ${args[0]} to ${args[1]} are right`, () => {
    const spec = { name: "t", usage: "", summary: "", args, flags: {} };
    const argv = Array(given).fill("x");
    if (want === undefined) return assertEquals(parseArgs(spec, argv).args, argv);
    const error = assertThrows(() => parseArgs(spec, argv), UsageError);
    assertEquals([error.message, error.exitCode], [want, 1]);
  });
}

Deno.test("parseArgs() asks for help only after all flags parsed", () => {
  assertThrows(() => parseArgs(RUN, ["--help"]), HelpRequest);
  assertThrows(() => parseArgs(LIST, ["x", "y", "z", "-h"]), HelpRequest);
  assertThrows(() => parseArgs(RUN, ["--help", "--foo"]), UsageError, "unknown flag: --foo");
  assertEquals(parseArgs(RUN, ["img", "--help"]).args, ["img", "--help"]);
  assertEquals(parseArgs(RUN, ["-h", "name", "img"]).options.hostname, "name");
});

Deno.test("parseArgs() warns of a deprecated flag and takes it", () => {
  const lines: string[] = [];
  const { options } = parseArgs(RUN, ["--time", "3", "x"], (line) => lines.push(line));
  assertEquals(options.stopTimeout, 3);
  assertEquals(lines, ["Flag --time has been deprecated, use --stop-timeout instead"]);
});

Deno.test("parseInteger() reads Go's integer grammar", () => {
  assertEquals(["0b11", "0o17", "017", "1_000", "+5", "-0x1F"].map((text) => parseInteger(text)), [
    3,
    15,
    15,
    1000,
    5,
    -31,
  ]);
  for (const text of ["", "_1", "1__0", "08", "1.5", "0x", " 1", "--1", "1n"]) {
    assertThrows(() => parseInteger(text), Error, "invalid syntax");
  }
  assertThrows(() => parseInteger("65536", 16, true), Error, "ParseUint");
  assertEquals(parseInteger("65535", 16, true), 65535);
});
