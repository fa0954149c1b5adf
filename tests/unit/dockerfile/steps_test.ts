/** What instructions do to a config, to variables, to modes; which stages are needed. */
import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { configStep } from "../../../src/build/config_step.ts";
import { readDockerfile } from "../../../src/build/dockerfile.ts";
import { fileMode } from "../../../src/build/file_mode.ts";
import { parseDockerfile } from "../../../src/build/instruction.ts";
import { runCommand } from "../../../src/build/run_command.ts";
import { parseRunMount } from "../../../src/build/run_mounts.ts";
import { GlobalScope, StageScope } from "../../../src/build/scope.ts";
import { cutStages, neededStages, targetStage } from "../../../src/build/stages.ts";
import type { ImageRunConfig } from "../../../src/image/types.ts";

const parse = (text: string) => parseDockerfile(readDockerfile(text));

const BEFORE: ImageRunConfig = { Env: ["A=1"], Cmd: ["old"], Labels: { a: "b" } };

const CONFIGS: [line: string, want: Partial<ImageRunConfig>, history: string][] = [
  ["ENV B=$A C='$A'", { Env: ["A=1", "B=1", "C=$A"] }, "ENV B=1 C=$A"],
  ["ENV A=2 B=$A", { Env: ["A=2", "B=1"] }, "ENV A=2 B=1"],
  ["ENV A two words", { Env: ["A=two words"] }, "ENV A=two words"],
  ["LABEL x=$A 'y z'=2", { Labels: { a: "b", x: "1", "y z": "2" } }, "LABEL x=1 y z=2"],
  ["CMD echo $A", { Cmd: ["/bin/sh", "-c", "echo $A"] }, 'CMD ["/bin/sh" "-c" "echo $A"]'],
  ['CMD ["a"]', { Cmd: ["a"] }, 'CMD ["a"]'],
  ['ENTRYPOINT ["a"]', { Entrypoint: ["a"], Cmd: undefined }, 'ENTRYPOINT ["a"]'],
  [
    "EXPOSE 80 $A/udp 90-91",
    { ExposedPorts: { "80/tcp": {}, "1/udp": {}, "90/tcp": {}, "91/tcp": {} } },
    "EXPOSE map[1/udp:{} 80/tcp:{} 90/tcp:{} 91/tcp:{}]",
  ],
  ["VOLUME /a /b$A", { Volumes: { "/a": {}, "/b1": {} } }, "VOLUME [/a /b1]"],
  ['VOLUME ["/a b"]', { Volumes: { "/a b": {} } }, "VOLUME [/a b]"],
  ["USER u$A", { User: "u1" }, "USER u1"],
  ["STOPSIGNAL SIGKILL", { StopSignal: "SIGKILL" }, "STOPSIGNAL SIGKILL"],
  ['SHELL ["sh", "-e"]', { Shell: ["sh", "-e"] }, "SHELL [sh -e]"],
  ["ONBUILD RUN $A", { OnBuild: ["RUN $A"] }, "ONBUILD RUN $A"],
  ["HEALTHCHECK NONE", { Healthcheck: { Test: ["NONE"] } }, "HEALTHCHECK NONE"],
];

for (const [line, want, history] of CONFIGS) {
  Deno.test(`configStep() carries out ${line}`, () => {
    const [instruction] = parse(line);
    const lookup = (name: string) => name === "A" ? "1" : undefined;
    const step = configStep(instruction, { config: BEFORE, lookup, escape: "\\", hasCmd: false })!;
    const whole: ImageRunConfig = { ...BEFORE, ...want };
    if ("Cmd" in want && want.Cmd === undefined) delete whole.Cmd;
    assertEquals([step.config, step.createdBy], [whole, history]);
  });
}

Deno.test("ENTRYPOINT leaves the CMD of its own stage", () => {
  const [instruction] = parse('ENTRYPOINT ["a"]');
  const context = { config: BEFORE, lookup: () => undefined, escape: "\\", hasCmd: true };
  assertEquals(configStep(instruction, context)!.config.Cmd, ["old"]);
});

Deno.test("ARG: --build-arg wins over the default, ENV over both", () => {
  const global = new GlobalScope(new Map([["G", "given"], ["UNUSED", "1"]]), "\\");
  const [first, a, b, g, d] = parse("ARG D=before\nARG A=a\nARG B=$A-b\nARG G=none\nARG D");
  const declare = (scope: StageScope, one: typeof a, env: string[] = []) =>
    one.kind === "arg" ? scope.declare(one, env) : "";
  if (first.kind === "arg") global.declare(first);
  const scope = new StageScope(global);
  assertEquals(scope.lookup([])("D"), undefined);
  assertEquals([a, b, g, d].map((one) => declare(scope, one)), [
    "A=a",
    "B=a-b",
    "G=given",
    "D=before",
  ]);
  assertEquals(scope.lookup(["A=env"])("A"), "env");
  assertEquals(scope.runArgs(["A=env"]), ["B=a-b", "D=before", "G=given"]);
  assertEquals(new StageScope(global, scope).lookup([])("B"), "a-b");
  assertEquals(global.unused(), ["UNUSED"]);
  assertEquals(global.lookup("TARGETOS"), "linux");
});

const MODES: [text: string, before: number, isDirectory: boolean, want: number][] = [
  ["755", 0o600, false, 0o755],
  ["0644", 0o777, true, 0o644],
  ["4755", 0, false, 0o4755],
  ["u+x", 0o644, false, 0o744],
  ["go-rwx", 0o755, false, 0o700],
  ["u=rwX,go=rX", 0o600, true, 0o755],
  ["u=rwX,go=rX", 0o600, false, 0o644],
  ["a+X", 0o644, false, 0o644],
  ["g=u", 0o640, false, 0o660],
  ["+t", 0o777, true, 0o1777],
  ["u+s", 0o755, false, 0o4755],
];

for (const [text, before, isDirectory, want] of MODES) {
  Deno.test(`--chmod=${text} makes ${want.toString(8)} of ${before.toString(8)}`, () => {
    assertEquals(fileMode(text)(before, isDirectory), want);
  });
}

Deno.test("--chmod refuses what is no mode", () => {
  assertThrows(() => fileMode("99"), UserError, "invalid chmod parameter: '99'");
  assertThrows(() => fileMode("z+x"), UserError, "invalid chmod parameter: 'z+x'");
});

Deno.test("parseRunMount() writes every default out", () => {
  assertEquals(parseRunMount("target=x,rw", "/w"), {
    type: "bind",
    source: "/",
    target: "/w/x",
    writable: true,
  });
  assertEquals(parseRunMount("type=cache,dst=/c,uid=5,mode=700", undefined), {
    type: "cache",
    id: "/c",
    source: "/",
    target: "/c",
    writable: true,
    sharing: "shared",
    mode: 0o700,
    uid: 5,
    gid: 0,
  });
  assertEquals(parseRunMount("type=tmpfs,target=/t,size=1m", "/"), {
    type: "tmpfs",
    target: "/t",
    sizeBytes: 1 << 20,
  });
  const secret = { type: "secret" as const, id: "a", required: true, mode: 0o400, uid: 0, gid: 0 };
  assertEquals(parseRunMount("type=secret,id=a,required", "/"), {
    ...secret,
    target: "/run/secrets/a",
  });
  assertEquals(parseRunMount("type=secret,id=a,env=E,required=true", "/"), { ...secret, env: "E" });
});

Deno.test("an agent has a place of its own unless one is given", () => {
  const ssh = { type: "ssh" as const, required: false, mode: 0o600, uid: 0, gid: 0 };
  assertEquals(parseRunMount("type=ssh", "/"), { ...ssh, id: "default" });
  assertEquals(parseRunMount("type=ssh,id=k,dst=a,required,mode=666,uid=7,gid=8", "/w"), {
    ...ssh,
    ...{ id: "k", target: "/w/a", required: true, mode: 0o666, uid: 7, gid: 8 },
  });
});

const WRONG_MOUNTS: [text: string, message: string][] = [
  ["type=ssh,source=/x", "unexpected key 'source' for mount type 'ssh'"],
  ["type=nfs,target=/x", 'unsupported mount type "nfs"'],
  ["type=bind", "target is required"],
  ["type=tmpfs,target=/x,source=/y", "unexpected key 'source' for mount type 'tmpfs'"],
  ["target=/x,what", "invalid field 'what' must be a key=value pair"],
  ["type=cache,target=/x,sharing=some", 'unsupported sharing value "some"'],
  ["type=cache,target=/x,mode=9", "invalid value 9 for mode"],
];

for (const [text, message] of WRONG_MOUNTS) {
  Deno.test(`parseRunMount() refuses ${text}`, () => {
    assertThrows(() => parseRunMount(text, "/"), UserError, message);
  });
}

Deno.test("runCommand() hands here-documents to the shell, or runs them", () => {
  const commands = [
    "RUN <<E\na\nb\nE",
    "RUN <<E cat\na\nE",
    "RUN <<E\n#!/bin/x\na\nE",
    "RUN plain",
  ].map((text) => {
    const [run] = parse(text);
    return run.kind === "run" ? runCommand(run, "\\") : undefined;
  });
  assertEquals(commands, [
    { command: { form: "shell", line: "a\nb\n" } },
    { command: { form: "shell", line: "<<E cat\na\nE" } },
    {
      command: { form: "exec", words: ["/dev/pipes/E"] },
      script: { name: "E", text: "#!/bin/x\na\n" },
    },
    { command: { form: "shell", line: "plain" } },
  ]);
});

const STAGES = "FROM a AS one\nFROM b AS two\nCOPY --from=0 x y\nFROM c\nFROM two AS Last\n" +
  "RUN --mount=type=bind,from=2,target=/x y";

const NEEDED: [target: string | undefined, want: number[]][] = [
  [undefined, [0, 1, 2, 3]],
  ["last", [0, 1, 2, 3]],
  ["two", [0, 1]],
  ["0", [0]],
  ["2", [2]],
];

for (const [target, want] of NEEDED) {
  Deno.test(`target ${target} needs stages ${want}`, () => {
    const { stages } = cutStages(parse(STAGES));
    const needed = neededStages(stages, targetStage(stages, target), ({ from }) => from.image);
    assertEquals(needed.map(({ index }) => index), want);
  });
}

Deno.test("neededStages() puts a stage behind those that it copies from, wherever they stand", () => {
  const { stages } = cutStages(
    parse("FROM a AS x\nCOPY --from=later f f\nFROM x\nFROM b AS later\nFROM x AS x\nRUN y"),
  );
  const order = (target: string) =>
    neededStages(stages, targetStage(stages, target), ({ from }) => from.image)
      .map(({ index }) => index);
  assertEquals(order("1"), [2, 0, 1]);
  assertEquals(order("x"), [2, 0, 3]);
});

const BAD_SOURCES: [text: string, message: string][] = [
  ["FROM a\nCOPY --from=0 x y", "invalid from flag value 0: refers to current build stage"],
  ["FROM a\nCOPY --from=1 x y", "invalid from flag value 1: index out of bounds"],
  ["FROM a\nRUN --mount=from=7,target=/x y", "invalid from flag value 7: index out of bounds"],
  ["FROM a AS x\nCOPY --from=x x y", "circular dependency detected on stage: x"],
  ["FROM a AS x\nCOPY --from=1 x y\nFROM x", "circular dependency detected on stage: stage-1"],
];
for (const [text, message] of BAD_SOURCES) {
  Deno.test(`neededStages() refuses ${JSON.stringify(text)}`, () => {
    const { stages } = cutStages(parse(text));
    const needed = () => neededStages(stages, stages.at(-1)!, ({ from }) => from.image);
    assertThrows(needed, UserError, message);
  });
}

Deno.test("stages have a FROM before all else", () => {
  assertThrows(() => cutStages(parse("RUN x\nFROM a")), UserError, "no build stage");
  assertThrows(() => cutStages(parse("ARG x")), UserError, "no stages");
  const { stages } = cutStages(parse("FROM a"));
  assertThrows(() => targetStage(stages, "no"), UserError, 'target stage "no" could not be found');
});
