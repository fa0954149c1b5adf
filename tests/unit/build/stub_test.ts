import { assertEquals } from "@std/assert";
import { stub, stubCode, type StubStart, type StubTexts } from "../../../build/stub.ts";
import { executable } from "../../../ffi/elf.ts";
import type { Step } from "../../../ffi/program.ts";
import { testAssembly } from "../../lib/assembled.ts";
import { skipUnless } from "../../lib/skip.ts";
import { addressIn } from "../../../ffi/program.ts";
import { PARAMETERS, withParameters } from "../../../src/runtime/quick_exec_parameters.ts";

const ON_X86 = Deno.build.arch === "x86_64";

const NONE: StubStart = { denoDir: "", argv: [] };

/** Runs a stub for these texts with `args`; its standard output. `argv` is that of the usual start. */
function run(
  texts: Partial<StubTexts & { argv: string[] }>,
  args: string[],
  env: Record<string, string> = {},
  name = "stub",
): string {
  const folder = Deno.makeTempDirSync();
  try {
    const bytes = stub("x86_64", {
      program: "/bin/sh",
      home: folder,
      usual: {
        denoDir: "DENO_DIR=/there",
        argv: texts.argv ??
          ["sh", "-c", 'echo "$DIPLODOCK_SELF|$DENO_DIR|$A|$B|$0"; printf "%s." "$@"'],
      },
      quick: {
        denoDir: "DENO_DIR=/quick",
        argv: ["sh", "-c", 'printf "%s." "$DENO_DIR" "$0" "$@"'],
      },
      quickCommands: ["run", "ps"],
      env: ["A=1"],
      ociRoot: "/nonexistent",
      dataRoot: "/nonexistent",
      runRoot: "/nonexistent",
      script: 'echo "script $0 $DENO_DIR"; printf "%s." "$@"',
      ...texts,
    })!;
    Deno.writeFileSync(`${folder}/${name}`, bytes, { mode: 0o755 });
    const command = new Deno.Command(`${folder}/${name}`, { args, env, clearEnv: true });
    return new TextDecoder().decode(command.outputSync().stdout).replaceAll(folder, "DIR");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test({
  name: "stub() starts the program with its first arguments, ours behind them",
  ...skipUnless(ON_X86, "the stub is x86-64 code"),
  fn() {
    const output = run({}, ["zero", "a b", "", "*"], { B: "2" });
    assertEquals(output, "DIR/stub|/there|1|2|zero\na b..*.");
  },
});

Deno.test({
  name: "stub() puts its variables before those of the caller",
  ...skipUnless(ON_X86, "the stub is x86-64 code"),
  fn() {
    const output = run({ program: "/usr/bin/env", argv: ["env"] }, [], { A: "9" });
    const mine = output.trim().split("\n").filter((line) => line.startsWith("A="));
    assertEquals(mine, ["A=1", "A=9"]);
  },
});

Deno.test({
  name: "stub() starts the shell with its script when the program is not there",
  ...skipUnless(ON_X86, "the stub is x86-64 code"),
  fn() {
    const output = run({ program: "/nonexistent/program" }, ["x", "y z"]);
    assertEquals(output, "script DIR/stub /there\nx.y z.");
  },
});

Deno.test({
  name: "stub() leaves DENO_DIR to the script when the folder can't be written",
  ...skipUnless(ON_X86, "the stub is x86-64 code"),
  fn() {
    assertEquals(run({ home: "/proc/nonexistent" }, []), "script DIR/stub \n.");
  },
});

const STARTS: [args: string[], isQuick: boolean][] = [
  [["run", "a b"], true],
  [["ps"], true],
  [[], false],
  [[""], false],
  [["r"], false],
  [["runs"], false],
  [["--debug", "run"], false],
];
for (const [args, isQuick] of STARTS) {
  Deno.test({
    name: `stub() starts ${JSON.stringify(args)} ${isQuick ? "quickly" : "as usual"}`,
    ...skipUnless(ON_X86, "the stub is x86-64 code"),
    fn() {
      const words = (list: string[]) => list.map((word) => `${word}.`).join("");
      const usual = ["sh", "-c", 'printf "%s." "$DENO_DIR" "$0" "$@"'];
      // What follows the script of `sh -c` is $0.
      const want = isQuick
        ? words(["/quick", ...args])
        : words(["/there", ...(args[0] === undefined ? ["sh"] : args)]);
      assertEquals(run({ argv: usual }, args), want);
    },
  });
}

Deno.test({
  name: "stub() starts an OCI runtime quickly",
  ...skipUnless(ON_X86, "the stub is x86-64 code"),
  fn() {
    assertEquals(run({}, ["--root", "/x", "list"], {}, "x-oci"), "/quick.--root./x.list.");
  },
});

Deno.test("stub() is undefined for a processor without code", () => {
  const texts: StubTexts = {
    program: "",
    home: "",
    usual: NONE,
    quick: NONE,
    quickCommands: [],
    env: [],
    ociRoot: "",
    dataRoot: "",
    runRoot: "",
    script: "",
  };
  assertEquals(stub("riscv64", texts), undefined);
});

testAssembly("build/stub_x86_64.s", "x86_64", () => stubCode("x86_64")!);

/** A program that says "quick" and ends with `code`. */
function quickProgram(code: number): Uint8Array {
  const steps = [
    { call: "write", args: [1, "quick ", 6], goal: "tell" },
    { call: "exit_group", args: [code], goal: "end" },
  ] as const;
  return executable({ steps: [...steps] }).bytes;
}

const QUICK: [name: string, args: string[], want: string, change?: (file: string) => void][] = [
  ["runs what create left for start", ["oci", "start", "one"], "quick "],
  [
    "passes over options of the log",
    ["oci", "--log", "l", "--log-format", "json", "start", "one"],
    "quick ",
  ],
  ["looks below --root", ["oci", "--root", "ROOT/other", "start", "two"], "quick "],
  ["runs what create left for delete", ["oci", "delete", "one"], "quick "],
  ["knows delete --force", ["oci", "delete", "--force", "one"], "quick "],
  ["takes the usual way for another command", ["oci", "state", "one"], "usual"],
  ["takes the usual way for other words", ["start", "one"], "usual"],
  ["takes the usual way without an id", ["oci", "start"], "usual"],
  ["takes the usual way with too many words", ["oci", "start", "one", "two"], "usual"],
  [
    "takes the usual way for an option it does not know",
    ["oci", "--debug", "start", "one"],
    "usual",
  ],
  ["takes the usual way for an option without value", ["oci", "--root"], "usual"],
  ["takes the usual way for a path in place of an id", ["oci", "start", "other/two"], "usual"],
  ["takes the usual way for the directory above", ["oci", "start", ".."], "usual"],
  ["takes the usual way for a container that is not there", ["oci", "start", "none"], "usual"],
  ["takes the usual way for an id that is too long", ["oci", "start", "x".repeat(5000)], "usual"],
  ["takes the usual way when the program fails", ["oci", "start", "failing"], "quick usual"],
  [
    "takes the usual way when others may write it",
    ["oci", "start", "one"],
    "usual",
    (file) => Deno.chmodSync(file, 0o722),
  ],
  ["takes the usual way for a link", ["oci", "start", "one"], "usual", (file) => {
    Deno.renameSync(file, `${file}.real`);
    Deno.symlinkSync(`${file}.real`, file);
  }],
];
for (const [name, args, want, change] of QUICK) {
  Deno.test({
    name: `stub() of an OCI runtime ${name}`,
    ...skipUnless(ON_X86, "the stub is x86-64 code"),
    fn() {
      const root = Deno.makeTempDirSync();
      try {
        const places = [["one", 0], ["other/two", 0], ["failing", 1]] as const;
        for (const [place, code] of places) {
          Deno.mkdirSync(`${root}/${place}`, { recursive: true });
          for (const verb of ["start", "delete"]) {
            Deno.writeFileSync(`${root}/${place}/${verb}`, quickProgram(code), { mode: 0o700 });
          }
        }
        change?.(`${root}/one/start`);
        const words = args.map((word) => word.replace("ROOT", root));
        const usual = ["sh", "-c", "printf usual"];
        assertEquals(run({ ociRoot: root, argv: usual }, words), want);
      } finally {
        Deno.removeSync(root, { recursive: true });
      }
    },
  });
}

const ID = "0123456789abcdef".repeat(4);
/** As `ps` prints it. */
const SHORT = ID.slice(0, 12);

/** What the program of a quick exec tells: that it runs, as often as asked; then its parameters. */
function execProgram(started: number, code: number): Uint8Array<ArrayBuffer> {
  const goal = "tell";
  const start: Step = { call: "write", args: [PARAMETERS.pipe, "!", 1], goal };
  return withParameters({
    steps: [
      ...Array.from({ length: started }, () => start),
      { call: "write", args: [1, addressIn(PARAMETERS.block), 24], goal },
      { call: "write", args: [1, PARAMETERS.words, PARAMETERS.wordsLength], goal },
      { call: "exit_group", args: [code], goal: "end" },
    ],
  });
}

/** What that program prints for these words. */
function told(words: string[], isInteractive = false): string {
  const text = words.map((word) => `${word}\0`).join("");
  const numbers = new BigUint64Array([
    BigInt(isInteractive),
    BigInt(words[0].includes("/")),
    BigInt(new TextEncoder().encode(text).length),
  ]);
  return new TextDecoder().decode(new Uint8Array(numbers.buffer)) + text;
}

const EXECS: [name: string, args: string[], want: string, change?: (file: string) => void][] = [
  ["a command", ["one", "ls", "-l"], told(["ls", "-l"])],
  ["empty words and many", ["one", "a", "", "", "\u00e9 "], told(["a", "", "", "\u00e9 "])],
  ["a path", ["one", "./ls"], told(["./ls"])],
  ["-i", ["-i", "one", "cat"], told(["cat"], true)],
  ["an id", [ID, "ls"], told(["ls"])],
  ["the beginning of an id", [SHORT, "ls"], told(["ls"])],
  ["the most words", ["one", ..."x".repeat(800)], told([..."x".repeat(800)])],
];
const USUALLY: typeof EXECS = [
  ["no command", ["one"], "usual"],
  ["no container", [], "usual"],
  ["an empty command", ["one", ""], "usual"],
  ["a command like an option", ["one", "-x"], "usual"],
  ["another option", ["-t", "one", "ls"], "usual"],
  ["-i without more", ["-i"], "usual"],
  ["a container that is not there", ["two", "ls"], "usual"],
  ["a shorter beginning of an id", [ID.slice(0, 11), "ls"], "usual"],
  ["how no id begins", ["ba9876543210", "ls"], "usual"],
  ["how two ids begin", [SHORT, "ls"], "usual", (file) => {
    Deno.mkdirSync(file.replace(`${ID}/exec`, SHORT.padEnd(64, "0")));
  }],
  ["a name with a slash", ["/one", "ls"], "usual"],
  ["a name that leads elsewhere", ["../names/one", "ls"], "usual"],
  ["a name that is too long", ["x".repeat(5000), "ls"], "usual"],
  ["too long a word", ["one", "x".repeat(9000)], "usual"],
  ["too many words", ["one", ..."x".repeat(1001)], "usual"],
  ["a program that others may write", ["one", "ls"], "usual", (f) => Deno.chmodSync(f, 0o722)],
  ["a program of another edition", ["one", "ls"], "usual", (file) => {
    const bytes = Deno.readFileSync(file);
    bytes[bytes.length - 17]++;
    Deno.writeFileSync(file, bytes);
  }],
];
for (const [name, args, want, change] of [...EXECS, ...USUALLY]) {
  Deno.test({
    name: `stub() ${
      want === "usual" ? "takes the usual way" : "runs the program"
    } for exec with ${name}`,
    ...skipUnless(ON_X86, "the stub is x86-64 code"),
    fn: () => assertEquals(quickExec(args, 1, 0, change), want),
  });
}

/** What a stub prints that finds a program for container "one". */
function quickExec(
  args: string[],
  started: number,
  code: number,
  change: (file: string) => void = () => {},
): string {
  const top = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(`${top}/root/names`, { recursive: true });
    Deno.symlinkSync(ID, `${top}/root/names/one`);
    const directory = `${top}/run/containers/${ID}`;
    Deno.mkdirSync(directory, { recursive: true });
    for (let i = 0; i < 99; i++) {
      Deno.mkdirSync(`${top}/run/containers/${`${i}`.padStart(64, "f")}`);
    }
    Deno.writeFileSync(`${directory}/exec`, execProgram(started, code), { mode: 0o700 });
    change(`${directory}/exec`);
    const env = { DIPLODOCK_ROOT: `${top}/root`, DIPLODOCK_RUN: `${top}/run` };
    return run({ argv: ["sh", "-c", "printf usual"] }, ["exec", ...args], env);
  } finally {
    Deno.removeSync(top, { recursive: true });
  }
}

Deno.test({
  name: "stub() takes the usual way when the program has started nothing, or took it back",
  ...skipUnless(ON_X86, "the stub is x86-64 code"),
  fn() {
    for (const started of [0, 2]) {
      assertEquals(quickExec(["one", "ls"], started, 1), `${told(["ls"])}usual`);
    }
    assertEquals(quickExec(["one", "ls"], 1, 1), told(["ls"]));
  },
});
