import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../../src/base/errors.ts";
import { renderInspected } from "../../../../src/cli/list_template.ts";
import {
  executeTemplate,
  parseTemplate,
  TemplateError,
} from "../../../../src/cli/template/template.ts";

/** What docker CLI 28.2.2 printed for `inspect -f` of the data, line breaks and errors included. */
const seen: { data: unknown; cases: [template: string, want: string][] } = JSON.parse(
  Deno.readTextFileSync(new URL("../../../golden/templates.json", import.meta.url)),
);

function run(text: string, data: unknown): string {
  try {
    return renderInspected(text, data, false);
  } catch (error) {
    if (error instanceof UserError) return error.message.replace("template parsing error: ", "");
    throw error;
  }
}

for (const [template, want] of seen.cases) {
  Deno.test(`renderInspected() of ${JSON.stringify(template)} is docker's`, () => {
    assertEquals(run(template, seen.data), want);
  });
}

const row = {
  ID: "abc",
  Names: "web",
  Label: (name: string) => name === "k" ? "v" : "",
};
const ROWS: [template: string, want: string][] = [
  ['{{.ID}} {{.Label "k"}}|{{.Label "z"}}', "abc v|"],
  ['{{"k" | .Label}}', "v"],
  ['{{range $i, $e := split .Names "e"}}{{$i}}{{$e}}{{$.ID}}{{end}}', "0wabc1babc"],
  [
    "{{.Nope}}",
    'template: :1:2: executing "" at <.Nope>: can\'t evaluate field Nope in type *formatter.ContainerContext',
  ],
  [
    "{{.Label}}",
    'template: :1:2: executing "" at <.Label>: wrong number of args for Label: want 1 got 0',
  ],
  ["{{.ID.x}}", 'template: :1:5: executing "" at <.ID.x>: can\'t evaluate field x in type string'],
  [
    "{{.toString}}",
    'template: :1:2: executing "" at <.toString>: can\'t evaluate field toString in type *formatter.ContainerContext',
  ],
  [
    "{{range $k := .Names}}{{end}}",
    'template: :1:14: executing "" at <.Names>: range can\'t iterate over web',
  ],
];
for (const [template, want] of ROWS) {
  Deno.test(`executeTemplate() of a row by ${template}`, () => {
    let got: string;
    try {
      const options = { mode: "struct", typeName: "*formatter.ContainerContext" } as const;
      got = executeTemplate(parseTemplate(template), row, options);
    } catch (error) {
      got = (error as Error).message;
    }
    assertEquals(got, want);
  });
}

Deno.test("executeTemplate() stops a template that calls itself", () => {
  const error = assertThrows(
    () =>
      executeTemplate(parseTemplate('{{define "a"}}{{template "a"}}{{end}}{{template "a"}}'), {}, {
        mode: "map",
      }),
    TemplateError,
    "exceeded maximum template depth",
  );
  assertEquals(error.phase, "execute");
});

Deno.test("parseTemplate() puts its name into errors", () => {
  assertThrows(
    () => parseTemplate("{{.A", "version"),
    TemplateError,
    "template: version:1: unclosed action",
  );
});

Deno.test("parseTemplate() throws nothing but TemplateError, whatever it is given", () => {
  const parts = [
    "{{",
    "}}",
    "{{-",
    "-}}",
    " ",
    "\n",
    ".",
    "$x",
    ":=",
    "=",
    "|",
    "(",
    ")",
    '"',
    "`",
    "'a'",
    "if",
    "end",
    "range",
    "else",
    "define",
    "template",
    "1",
    "-",
    "/*",
    "*/",
    ",",
    "é",
    "json",
    "nil",
    "block",
  ];
  let seed = 12345;
  const next = (n: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
  for (let i = 0; i < 5000; i++) {
    const text = Array.from({ length: next(14) }, () => parts[next(parts.length)]).join(
      next(2) ? " " : "",
    );
    try {
      executeTemplate(parseTemplate(text), { a: [1] }, { mode: "map" });
    } catch (error) {
      if (!(error instanceof TemplateError)) {
        throw new Error(`${JSON.stringify(text)}: ${error}`, { cause: error });
      }
    }
  }
});
