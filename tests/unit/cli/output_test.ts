import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import {
  alignColumns,
  cellWidth,
  ellipsis,
  escapeControls,
  formatList,
  type ListSpec,
  painter,
  type Row,
  shortId,
} from "../../../src/cli/output.ts";

const PS: ListSpec = {
  headers: { ID: "CONTAINER ID", Image: "IMAGE", Names: "NAMES", Ports: "PORTS" },
  columns: ["ID", "Image", "Names"],
  quietField: "ID",
  typeName: "*formatter.ContainerContext",
  isPs: true,
};
const VOLUMES: ListSpec = {
  headers: { Driver: "DRIVER", Name: "VOLUME NAME" },
  columns: ["Driver", "Name"],
  quietField: "Name",
  typeName: "*formatter.volumeContext",
  raw: "name: {{.Name}}\\ndriver: {{.Driver}}\\n",
};
const label = (name: string) => name === "a" ? "1" : "";
const ROWS: Row[] = [
  { ID: "aaaaaaaaaaaa", Image: "nginx:latest", Names: "web", Ports: "80->80/tcp", Label: label },
  { ID: "bbbbbbbbbbbb", Image: "a", Names: "x", Ports: "", Label: () => "" },
];

// Seen with docker CLI 28.2.2, but for the escapes of control characters.
const LISTS: [format: string, want: string][] = [
  [
    "",
    "CONTAINER ID   IMAGE          NAMES\n" +
    "aaaaaaaaaaaa   nginx:latest   web\n" +
    "bbbbbbbbbbbb   a              x\n",
  ],
  [
    'table {{.ID}}\\t{{.Label "a"}}\\t{{.Names}}\\t{{upper .Image}}',
    "CONTAINER ID   a         NAMES     IMAGE\n" +
    "aaaaaaaaaaaa   1         web       NGINX:LATEST\n" +
    "bbbbbbbbbbbb             x         A\n",
  ],
  [
    "table {{.ID}}  {{if .Names}}x{{end}}",
    "CONTAINER ID  x\naaaaaaaaaaaa  x\nbbbbbbbbbbbb  x\n",
  ],
  ["table{{.ID}}", "CONTAINER ID\naaaaaaaaaaaa\nbbbbbbbbbbbb\n"],
  ['table {{.Label "com.foo.my-label"}}', "my label\n\n\n"],
  ["{{.Names}}", "web\nx\n"],
  ["{{.Names}}\\t{{.Image}}", "web\tnginx:latest\nx\ta\n"],
  ["json {{.ID}}", "json aaaaaaaaaaaa\njson bbbbbbbbbbbb\n"],
  ["pretty", "pretty\npretty\n"],
  [
    "json",
    '{"ID":"aaaaaaaaaaaa","Image":"nginx:latest","Names":"web","Ports":"80-\\u003e80/tcp"}\n' +
    '{"ID":"bbbbbbbbbbbb","Image":"a","Names":"x","Ports":""}\n',
  ],
  [
    "{{json .}}",
    '{"ID":"aaaaaaaaaaaa","Image":"nginx:latest","Names":"web","Ports":"80-\\u003e80/tcp"}\n' +
    '{"ID":"bbbbbbbbbbbb","Image":"a","Names":"x","Ports":""}\n',
  ],
  ["{{json .Ports}}", '"80->80/tcp"\n""\n'],
];
for (const [format, want] of LISTS) {
  Deno.test(`formatList() by "${format}"`, async () => {
    assertEquals(await formatList(ROWS, PS, { format }), want);
  });
}

const FAILURES: [spec: ListSpec, format: string, want: string][] = [
  [
    PS,
    "{{.Nope}}",
    'failed to execute template: template: :1:2: executing "" at <.Nope>: can\'t evaluate field Nope in type *formatter.ContainerContext',
  ],
  [PS, "{{.ID", "failed to parse template: template: :1: unclosed action"],
  [
    VOLUMES,
    "{{.Nope}}",
    'template parsing error: template: :1:2: executing "" at <.Nope>: can\'t evaluate field Nope in type *formatter.volumeContext',
  ],
  [VOLUMES, "{{nope}}", 'template parsing error: template: :1: function "nope" not defined'],
];
for (const [spec, format, want] of FAILURES) {
  for (const rows of [ROWS, []]) {
    Deno.test(`formatList() of ${rows.length} rows refuses ${format} of ${spec.typeName}`, async () => {
      const error = await assertRejects(() => formatList(rows, spec, { format }), UserError);
      assertEquals([error.message, error.exitCode], [want, 1]);
    });
  }
}

Deno.test("formatList() with quiet prints one field a line, and ps warns of a format", async () => {
  const warned: string[] = [];
  const warn = (line: string) => warned.push(line);
  const got = await formatList(ROWS, PS, { quiet: true, format: "{{.Names}}", warn });
  assertEquals(got, "aaaaaaaaaaaa\nbbbbbbbbbbbb\n");
  assertEquals(warned, [
    "WARNING: Ignoring custom format, because both --format and --quiet are set.",
  ]);
});

Deno.test("formatList() of no rows prints the titles only, and nothing for a template", async () => {
  assertEquals(await formatList([], VOLUMES), "DRIVER    VOLUME NAME\n");
  assertEquals(await formatList([], VOLUMES, { format: "{{.Name}}" }), "");
  assertEquals(await formatList([], VOLUMES, { quiet: true }), "");
});

Deno.test("formatList() takes the configured format where none is given", async () => {
  const configured = "{{.Names}}";
  assertEquals(await formatList(ROWS, PS, { configured }), "web\nx\n");
  assertEquals(
    await formatList(ROWS, PS, { configured, format: "{{.Image}}" }),
    "nginx:latest\na\n",
  );
});

Deno.test("formatList() makes hostile names harmless in tables, keeps them for scripts", async () => {
  const rows = [{ Driver: "lo\tcal", Name: "v\x1b[31m\n\u202e" }];
  const want = "DRIVER      VOLUME NAME\nlo\\x09cal   v\\x1b[31m\\x0a\\u202e\n";
  assertEquals(await formatList(rows, VOLUMES), want);
  assertEquals(await formatList(rows, VOLUMES, { format: "{{.Name}}" }), "v\x1b[31m\n\u202e\n");
  const table = await formatList(rows, VOLUMES, { format: "table {{.Name}}" });
  assertEquals(table, "VOLUME NAME\nv\\x1b[31m\\x0a\\u202e\n");
  assertEquals(
    await formatList(rows, VOLUMES, { format: "raw" }),
    "name: v\x1b[31m\n\u202e\ndriver: lo\tcal\n\n",
  );
});

Deno.test("alignColumns() ends a column where a line does not have it, as Go's tabwriter", () => {
  assertEquals(
    alignColumns(["a\tbbbbbbbbbbbb\tc", "plain", "aaaaaaaaaaaaaaa\tb"]),
    "a         bbbbbbbbbbbb   c\nplain\naaaaaaaaaaaaaaa   b\n",
  );
});

Deno.test("alignColumns() counts cells, not characters", () => {
  const lines = ["NAME\tX", "日本語日本語\t1", "e\u0301e\u0301\t2", "👍\t3"];
  const starts = alignColumns(lines).trimEnd().split("\n").map((line) =>
    cellWidth(line.slice(0, -1))
  );
  assertEquals(starts, [15, 15, 15, 15]);
});

Deno.test("escapeControls() leaves letters of all scripts alone", () => {
  assertEquals(escapeControls("a é 日 😀 e\u0301"), "a é 日 😀 e\u0301");
  assertEquals(escapeControls("\x00\x9b\x7f"), "\\x00\\x9b\\x7f");
});

Deno.test("shortId() and ellipsis() obey --no-trunc", () => {
  const id = "sha256:" + "0123456789abcdef".repeat(4);
  assertEquals(shortId(id), "0123456789ab");
  assertEquals(shortId(id, true), id);
  assertEquals(ellipsis("sh -c 'echo hello world'", 20), "sh -c 'echo hello w…");
  assertEquals(ellipsis("日本語", 3), "日本語");
  assertEquals(ellipsis("abcd", 3, true), "abcd");
});

Deno.test("painter() paints on terminals only, and not against NO_COLOR", () => {
  assertEquals(painter(true, "")("red", "x"), "\x1b[31mx\x1b[0m");
  assertEquals(painter(true, "1")("red", "x"), "x");
  assertEquals(painter(false, "")("red", "x"), "x");
  assertEquals(painter(true, "")("dim", "x"), "\x1b[2mx\x1b[0m");
});
