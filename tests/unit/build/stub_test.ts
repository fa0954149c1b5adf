import { assertEquals } from "@std/assert";
import { stub, stubCode, type StubStart, type StubTexts } from "../../../build/stub.ts";
import { executable } from "../../../ffi/elf.ts";
import { testAssembly } from "../../lib/assembled.ts";
import { skipUnless } from "../../lib/skip.ts";

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
