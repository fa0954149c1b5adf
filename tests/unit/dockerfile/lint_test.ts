import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { checkStrict, lint } from "../../../src/build/lint.ts";

/** Rule and line of each finding. */
const CASES: [name: string, text: string, want: string[]][] = [
  [
    "nothing",
    'ARG T=1\nFROM a:$T AS b\nWORKDIR /x\nWORKDIR y\nENV a=b PUBLIC_KEY=1\nCMD ["x"]',
    [],
  ],
  ["small letters throughout", 'from a as b\nrun x\ncmd ["y"]', []],
  ["a stage name with capitals", "FROM a AS Build", ["StageNameCasing 1"]],
  ["FROM and as", "FROM a as b\nRUN x", ["FromAsCasing 1"]],
  ["an empty line in a continued one", "FROM a\nRUN x \\\n\n y", ["NoEmptyContinuation 2"]],
  ["empty lines in a here-document", "FROM a\nRUN <<E\nx\n\nE", []],
  ["an instruction unlike the others", "FROM a\nrun x\nRUN y", ["ConsistentInstructionCasing 2"]],
  ["an instruction of both cases", "FROM a\nRun x\nRUN y", ["ConsistentInstructionCasing 2"]],
  ["two stages of one name", "FROM a AS x\nFROM b AS x", ["DuplicateStageName 2"]],
  ["a stage called scratch", "FROM a AS scratch", ["ReservedStageName 1"]],
  ["commands for the shell", "FROM a\nCMD x\nENTRYPOINT y", [
    "JSONArgsRecommended 2",
    "JSONArgsRecommended 3",
  ]],
  ["MAINTAINER", "FROM a\nMAINTAINER b", ["MaintainerDeprecated 2"]],
  ["an ARG that is none", "ARG A\nFROM $A:${B}$TARGETARCH", ["UndefinedArgInFrom 2"]],
  ["a relative WORKDIR", "FROM a\nWORKDIR x\nWORKDIR y\nFROM b\nWORKDIR $X/y", [
    "WorkdirRelativePath 2",
  ]],
  ["several commands", 'FROM a\nCMD ["x"]\nCMD ["y"]\nFROM b\nCMD ["z"]', [
    "MultipleInstructionsDisallowed 2",
  ]],
  ["names without =", "FROM a\nENV x y\nLABEL z a=b", [
    "LegacyKeyValueFormat 2",
    "LegacyKeyValueFormat 3",
  ]],
  ["platforms", "FROM --platform=$TARGETPLATFORM a\nFROM --platform=linux/amd64 b", [
    "RedundantTargetPlatform 1",
    "FromPlatformFlagConstDisallowed 2",
  ]],
  ["secrets", "FROM a\nARG TOKEN\nENV DB_PASSWORD=x MONKEY=y", [
    "SecretsUsedInArgOrEnv 2",
    "SecretsUsedInArgOrEnv 3",
  ]],
  ["rules that are skipped", "# check=skip=JSONArgsRecommended;error=true\nFROM a\nCMD x", []],
  ["all rules skipped", "# syntax=x\n# check=skip=all\nFROM a AS B", []],
];

for (const [name, text, want] of CASES) {
  Deno.test(`lint() finds ${want.length === 0 ? "nothing in" : "what is wrong with"} ${name}`, () => {
    assertEquals(lint(text).map(({ rule, first }) => `${rule} ${first}`), want);
  });
}

Deno.test("checkStrict() refuses findings only where the Dockerfile says so", () => {
  checkStrict("FROM a\nCMD x");
  checkStrict("# check=error=true\nFROM a");
  const strict = "# check=skip=StageNameCasing;error=true\nFROM a AS B\nCMD x";
  assertThrows(() => checkStrict(strict), UserError, "for rules: JSONArgsRecommended;");
});
