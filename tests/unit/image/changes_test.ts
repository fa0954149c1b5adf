import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { applyChanges } from "../../../src/image/changes.ts";
import type { ImageRunConfig } from "../../../src/image/types.ts";

const GOOD: [line: string, before: ImageRunConfig, after: ImageRunConfig][] = [
  ['CMD ["/bin/sh", "-l"]', {}, { Cmd: ["/bin/sh", "-l"] }],
  ["CMD echo hi", {}, { Cmd: ["/bin/sh", "-c", "echo hi"] }],
  ["CMD echo hi", { Shell: ["/x"] }, { Shell: ["/x"], Cmd: ["/x", "echo hi"] }],
  ["cmd []", {}, { Cmd: [] }],
  ['ENTRYPOINT ["a"]', { Entrypoint: ["b"] }, { Entrypoint: ["a"] }],
  ['ENTRYPOINT ["a"]', { Cmd: ["arguments of what was before"] }, { Entrypoint: ["a"] }],
  ['CMD ["c"]\nENTRYPOINT ["a"]', {}, { Entrypoint: ["a"], Cmd: ["c"] }],
  ["ENV B=$A C=${D:-d} E='$A'", { Env: ["A=1 2"] }, { Env: ["A=1 2", "B=1 2", "C=d", "E=$A"] }],
  ['LABEL a=$A b="x ${A}"', { Env: ["A=1"] }, { Env: ["A=1"], Labels: { a: "1", b: "x 1" } }],
  ["USER $U", { Env: ["U=me"] }, { Env: ["U=me"], User: "me" }],
  ["CMD echo $A", { Env: ["A=1"] }, { Env: ["A=1"], Cmd: ["/bin/sh", "-c", "echo $A"] }],
  ["ENTRYPOINT top -b", {}, { Entrypoint: ["/bin/sh", "-c", "top -b"] }],
  ['ENV A=1 B=\'x y\' C="q\\"z"', {}, { Env: ["A=1", "B=x y", 'C=q"z'] }],
  ["ENV A old style", {}, { Env: ["A=old style"] }],
  ["ENV A=2", { Env: ["A=1", "B=3"] }, { Env: ["A=2", "B=3"] }],
  ["EXPOSE 80 53/udp 8000-8001/TCP", {}, {
    ExposedPorts: { "80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {} },
  }],
  ["LABEL a=b c=d", { Labels: { z: "1" } }, { Labels: { z: "1", a: "b", c: "d" } }],
  ["USER nobody:nogroup", {}, { User: "nobody:nogroup" }],
  ["VOLUME /a /b", {}, { Volumes: { "/a": {}, "/b": {} } }],
  ['VOLUME ["/a b"]', {}, { Volumes: { "/a b": {} } }],
  ["WORKDIR /a/b", {}, { WorkingDir: "/a/b" }],
  ["WORKDIR c", { WorkingDir: "/a" }, { WorkingDir: "/a/c" }],
  ["WORKDIR ../x", { WorkingDir: "/a" }, { WorkingDir: "/x" }],
  ["ONBUILD RUN x", {}, { OnBuild: ["RUN x"] }],
  ["STOPSIGNAL SIGINT", {}, { StopSignal: "SIGINT" }],
  ["HEALTHCHECK NONE", {}, { Healthcheck: { Test: ["NONE"] } }],
  ["HEALTHCHECK --interval=5s --retries=2 CMD curl x", {}, {
    Healthcheck: { Test: ["CMD-SHELL", "curl x"], Interval: 5e9, Retries: 2 },
  }],
  ['HEALTHCHECK CMD ["a"]', {}, { Healthcheck: { Test: ["CMD", "a"] } }],
  ['SHELL ["/bin/bash", "-c"]', {}, { Shell: ["/bin/bash", "-c"] }],
  ["# a comment", {}, {}],
];

for (const [line, before, after] of GOOD) {
  Deno.test(`applyChanges() takes ${line}`, () => {
    const copy = structuredClone(before);
    assertEquals(applyChanges(before, [line]), after);
    assertEquals(before, copy, "the config that was given changed");
  });
}

const BAD: [line: string, message: string][] = [
  ["RUN x", "run is not a valid change command"],
  ["FROM scratch", "from is not a valid change command"],
  ["__proto__ x", "__proto__ is not a valid change command"],
  ["ENV", "ENV requires at least one argument"],
  ["ENV A", "ENV must have two arguments"],
  ["LABEL =x", "LABEL names can not be blank"],
  ["EXPOSE abc", "Invalid containerPort: abc"],
  ["EXPOSE 70000", "Invalid containerPort: 70000"],
  ["SHELL bash", "SHELL requires the arguments to be in JSON form"],
  ["ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"],
  ["HEALTHCHECK foo", 'Unknown type "FOO" in HEALTHCHECK (try CMD)'],
  ["USER", "USER requires exactly one argument"],
  ["STOPSIGNAL SIGFOO", "Invalid signal: SIGFOO"],
  ["EXPOSE 80/foo", "Invalid proto: foo"],
];

for (const [line, message] of BAD) {
  Deno.test(`applyChanges() refuses ${line}`, () => {
    assertEquals(assertThrows(() => applyChanges({}, [line]), UserError).message, message);
  });
}
