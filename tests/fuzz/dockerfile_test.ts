/** Dockerfiles and ignore lists from anywhere: read or refused, nothing else. */
import { assert, assertEquals } from "@std/assert";
import { UserError } from "../../src/base/errors.ts";
import { readDockerfile } from "../../src/build/dockerfile.ts";
import { expand } from "../../src/image/expand.ts";
import { ignoreLines, IgnoreList } from "../../src/build/ignore.ts";
import { parseDockerfile } from "../../src/build/instruction.ts";
import { parseRunMount } from "../../src/build/run_mounts.ts";
import { cutStages, neededStages, targetStage } from "../../src/build/stages.ts";
import { fuzzTest, mutateText } from "../lib/fuzz.ts";
import { pick } from "../lib/random.ts";

function readOrRefuse<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    assert(error.message !== "", "an error without a word");
  }
}

const FILES = [
  '# escape=`\nARG V=1\nFROM a:${V:-2} AS b\nRUN x `\n  # c\n y\nCOPY --from=b --chown=1:2 ["a", "b"]\n',
  "FROM a\nRUN <<E cat <<-'F'\n$x\nE\n\ty\n\tF\nONBUILD COPY <<G /g\nENV a=b c=\"d e\" f=\\ g\n",
  'FROM scratch\nHEALTHCHECK --interval=1s CMD x\nLABEL "a b"=c\nSHELL ["a","b"]\nFROM 0\nUSER x\n',
];

fuzzTest({
  name: "a Dockerfile is parsed, or refused with the line",
  rounds: 4000,
  make: (random) => mutateText(random, pick(random, FILES)),
  check: (text) => {
    const dockerfile = readOrRefuse(() => readDockerfile(text));
    const instructions = dockerfile && readOrRefuse(() => parseDockerfile(dockerfile));
    const cut = instructions && readOrRefuse(() => cutStages(instructions));
    if (cut === undefined) return;
    const target = targetStage(cut.stages, undefined);
    const needed = readOrRefuse(() => neededStages(cut.stages, target, ({ from }) => from.image));
    assertEquals((needed ?? [target]).at(-1), target);
    for (const { line } of instructions!) assert(line.first <= line.last && line.first > 0);
  },
});

const WORDS = [
  "${a:-${b:+c}}/$d'e$f'\"\\$g\"",
  "${path##*/}${path%.*}${x//a\\/b/c?}",
  "$1${2}$$",
];

fuzzTest({
  name: "variables are expanded, or refused",
  rounds: 10_000,
  make: (random) => mutateText(random, pick(random, WORDS)),
  check: (text) => {
    for (const raw of [false, true]) {
      const lookup = (name: string) => name.length % 2 === 0 ? undefined : `<${name}>`;
      readOrRefuse(() => expand(text, lookup, { escape: "\\", raw }));
    }
  },
});

fuzzTest({
  name: "an ignore list that ignores a directory ignores what is in it, unless it may keep some",
  rounds: 4000,
  make: (random) => mutateText(random, "*.md\n!a/**/b\n[a-c]?\n**/x\n/y/../z\n"),
  check: (text) => {
    const list = readOrRefuse(() => new IgnoreList(ignoreLines(text)));
    if (list === undefined) return;
    for (const path of ["a", "a/b", "x", "z", "b1/c"]) {
      if (!list.ignores(path) || list.mayKeepBelow(path)) continue;
      assert(list.ignores(`${path}/below`), path);
    }
  },
});

fuzzTest({
  name: "RUN --mount is read, or refused",
  rounds: 4000,
  make: (random) =>
    mutateText(random, "type=cache,id=x,target=/y,sharing=locked,mode=0755,uid=1,ro,from=z"),
  check: (text) => void readOrRefuse(() => parseRunMount(text, "/w")),
});
