import { assertEquals, assertThrows } from "@std/assert";
import { DockerfileError, readDockerfile } from "../../../src/build/dockerfile.ts";
import { parseDockerfile } from "../../../src/build/instruction.ts";

const LINES: [name: string, text: string, want: [name: string, rest: string][]][] = [
  ["comments and blank lines", "# c\n\n  # d\nFROM a\n", [["FROM", "a"]]],
  ["small letters", "from a\nrun x", [["FROM", "a"], ["RUN", "x"]]],
  ["a continued line", "RUN a \\\n  b", [["RUN", "a   b"]]],
  ["blanks behind the mark", "RUN a \\  \n b", [["RUN", "a  b"]]],
  ["comments within a continued line", "RUN a \\\n# no\n  # no\n b", [["RUN", "a  b"]]],
  ["an empty line within a continued line", "RUN a \\\n\n b", [["RUN", "a  b"]]],
  ["an escaped mark at the end", "RUN a \\\\\nRUN b", [["RUN", "a \\\\"], ["RUN", "b"]]],
  ["lines of Windows", "FROM a\r\nRUN b \\\r\n c\r\n", [["FROM", "a"], ["RUN", "b  c"]]],
  ["a byte order mark", "\uFEFFFROM a", [["FROM", "a"]]],
  ["another escape", "# escape=`\nRUN a `\n b", [["RUN", "a  b"]]],
  ["a directive behind a comment", "# hi\n# escape=`\nRUN a `\nRUN b", [
    ["RUN", "a `"],
    ["RUN", "b"],
  ]],
  ["a here-document", "RUN <<E\nx\n# y\nE\nRUN z", [["RUN", "<<E"], ["RUN", "z"]]],
  ["a here-document that is none", "CMD cat <<E\nRUN z", [["CMD", "cat <<E"], ["RUN", "z"]]],
];

for (const [name, text, want] of LINES) {
  Deno.test(`readDockerfile() reads ${name}`, () => {
    const { lines } = readDockerfile(text);
    assertEquals(lines.map((line) => [line.name, line.rest]), want);
  });
}

Deno.test("readDockerfile() knows the lines of an instruction", () => {
  const { lines } = readDockerfile("# c\nFROM a\nRUN b \\\n c\nCOPY <<X /x\n1\nX\n");
  assertEquals(lines.map(({ first, last }) => [first, last]), [[2, 2], [3, 4], [5, 7]]);
});

Deno.test("readDockerfile() reads several here-documents, quoted and with tabs", () => {
  const [line] = readDockerfile('COPY <<A <<-"B" /x/\n1\nA\n\t2\n\tB\n').lines;
  assertEquals(line.heredocs, [
    { name: "A", expand: true, chomp: false, content: "1\n" },
    { name: "B", expand: false, chomp: true, content: "2\n" },
  ]);
});

const WRONG: [text: string, message: string][] = [
  ["", "file with no instructions"],
  ["# escape=x\nFROM a", "dockerfile parse error on line 1: invalid escape token 'x'"],
  ["# escape=`\n# escape=`\nFROM a", "line 2: only one escape parser directive can be used"],
  ["FROM a\nRUN <<E\nx", "dockerfile parse error on line 2: unterminated heredoc"],
  ["FROM a\nFOO x", "dockerfile parse error on line 2: unknown instruction: FOO"],
  ["FROM a\nRNU x", "on line 2: unknown instruction: RNU (did you mean RUN?)"],
  ["FROM", "FROM requires either one or three arguments"],
  ["FROM a b", "FROM requires either one or three arguments"],
  ["FROM a AS 1x", 'invalid name for build stage: "1x"'],
  ["RUN", "RUN requires at least one argument"],
  ["RUN --foo=1 x", "unknown flag: --foo"],
  ["COPY --form=a x /", "unknown flag: --form (did you mean from?)"],
  ["COPY --from x /", "missing a value on flag: --from"],
  ["COPY --link=maybe x /", "expecting boolean value for flag link, not: maybe"],
  ["COPY --from=a --from=b x /", "duplicate flag specified: from"],
  ["COPY x", "COPY requires at least two arguments, but only one was provided"],
  ["ENV a", "ENV must have two arguments"],
  ["ENV a=b c", 'Syntax error - can\'t find = in "c". Must be of the form: name=value'],
  ["ENV =b", "ENV names can not be blank"],
  ["SHELL sh -c", "SHELL requires the arguments to be in JSON form"],
  ["USER", "USER requires exactly one argument"],
  ["WORKDIR", "WORKDIR requires exactly one argument"],
  ["STOPSIGNAL", "STOPSIGNAL requires exactly one argument"],
  ["MAINTAINER", "MAINTAINER requires exactly one argument"],
  ["EXPOSE", "EXPOSE requires at least one argument"],
  ["SHELL", "SHELL requires at least one argument"],
  ["SHELL sh", "SHELL requires the arguments to be in JSON form"],
  ['VOLUME [""]', "VOLUME specified can not be an empty string"],
  ["HEALTHCHECK", "HEALTHCHECK requires at least one argument"],
  ["HEALTHCHECK foo", 'line 1: Unknown type "FOO" in HEALTHCHECK (try CMD)'],
  ["HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"],
  ["HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"],
  ["HEALTHCHECK --interval=x CMD a", 'time: invalid duration "x"'],
  ["HEALTHCHECK --timeout=1ns CMD a", 'Interval "timeout" cannot be less than 1ms'],
  ["HEALTHCHECK --retries=-1 CMD a", "--retries cannot be negative (-1)"],
  ["HEALTHCHECK --retries=x CMD a", 'strconv.ParseInt: parsing "x": invalid syntax'],
  ["HEALTHCHECK --intervall=1s CMD a", "unknown flag: --intervall (did you mean interval?)"],
  ["HEALTHCHECK --interval CMD a", "missing a value on flag: --interval"],
  ["RUN --mount=type=foo x", 'line 1: unsupported mount type "foo"'],
  ["RUN --mount=foo x", "line 1: invalid field 'foo' must be a key=value pair"],
  ["FROM --platfrom=a b", "unknown flag: --platfrom (did you mean platform?)"],
  ["ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"],
  ["ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"],
];

for (const [text, message] of WRONG) {
  Deno.test(`parseDockerfile() refuses ${JSON.stringify(text)}`, () => {
    assertThrows(() => parseDockerfile(readDockerfile(text)), DockerfileError, message);
  });
}

Deno.test("parseDockerfile() takes flags, JSON and shell forms apart", () => {
  const [copy, run, exec, env, old] = parseDockerfile(readDockerfile([
    'COPY --from=b --chown="a:b" --exclude=*.x --exclude=y ["a b", "/c"]',
    "RUN --mount=type=cache,target=/x make  it",
    'CMD ["a", "b"]',
    'ENV A=1 B="2 3" C=4\\ 5',
    "ENV A  one two",
  ].join("\n")));
  assertEquals(copy.kind === "copy" && [copy.sources, copy.target, copy.flags], [
    ["a b"],
    "/c",
    { from: "b", chown: "a:b", exclude: ["*.x", "y"] },
  ]);
  assertEquals(run.kind === "run" && [run.command, run.flags], [
    { form: "shell", line: "make  it" },
    { mount: ["type=cache,target=/x"] },
  ]);
  assertEquals(exec.kind === "cmd" && exec.command, { form: "exec", words: ["a", "b"] });
  assertEquals(env.kind === "env" && env.pairs, [["A", "1"], ["B", '"2 3"'], ["C", "4\\ 5"]]);
  assertEquals(old.kind === "env" && old.pairs, [["A", "one two"]]);
});
