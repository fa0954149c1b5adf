import { escapeControls, escapeLines } from "../base/controls.ts";

export { escapeControls };

const PLAIN = /^[\x20-\x7e]*$/;

// East Asian wide and fullwidth blocks, and emoji (Unicode 15, EastAsianWidth.txt, in blocks).
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;

/** How many terminal cells a text takes: wide characters two, combining ones none. */
export function cellWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const character of text) {
    if (/^[\p{Mn}\p{Me}\p{Cf}]$/u.test(character)) continue;
    width += WIDE.test(character) ? 2 : 1;
  }
  return width;
}

const PADDING = 3;
const NARROWEST = 10;

/**
 * Aligns lines of tab-separated cells as docker's tables are: columns at least ten wide, three
 * blanks between them; what stands behind the last tab of a line is not padded. A column ends
 * at a line that does not have it (Go's text/tabwriter).
 */
export function alignColumns(lines: readonly string[]): string {
  const rows = lines.map((line) => line.split("\t"));
  const widths = rows.map((row) => row.map(cellWidth));
  const padded = rows.map(() => [] as number[]);
  for (let column = 0, more = true; more; column++) {
    more = false;
    for (let from = 0; from < rows.length; from++) {
      if (rows[from].length - 1 <= column) continue;
      more = true;
      let to = from;
      let width = NARROWEST;
      for (; to < rows.length && rows[to].length - 1 > column; to++) {
        width = Math.max(width, widths[to][column] + PADDING);
      }
      for (let i = from; i < to; i++) padded[i][column] = width;
      from = to;
    }
  }
  return rows.map((row, i) =>
    row.map((cell, j) =>
      j === row.length - 1 ? cell : cell + " ".repeat(padded[i][j] - widths[i][j])
    ).join("") + "\n"
  ).join("");
}

/** A field of a row: a text, or a function of a template's argument (`.Label "k"`). */
export type Field = string | number | boolean | null | ((argument: string) => string);
export type Row = Readonly<Record<string, Field>>;

/** What a list command prints. */
export interface ListSpec {
  /** Column titles by field name, e.g. `{ ID: "CONTAINER ID", Names: "NAMES" }`. */
  readonly headers: Readonly<Record<string, string>>;
  /** Fields of the default table, in order. */
  readonly columns: readonly string[];
  /** The field that `-q` prints. */
  readonly quietField: string;
  /** Go's type name in the error of an unknown field: `*formatter.ContainerContext`. */
  readonly typeName: string;
  /** Fields for templates that `json` leaves out. */
  readonly notInJson?: readonly string[];
  /** `ps` words template errors otherwise than all the other lists. */
  readonly isPs?: boolean;
  /** The template of `--format raw`. */
  readonly raw?: string;
}

export interface ListOptions {
  readonly format?: string;
  readonly quiet?: boolean;
  /** Default of `format`, out of the user's config.json (psFormat). */
  readonly configured?: string;
  readonly warn?: (line: string) => void;
}

function jsonRow(spec: ListSpec, row: Row): string {
  const entries = Object.entries(row).filter(([name, value]) =>
    typeof value !== "function" && !spec.notInJson?.includes(name)
  );
  entries.sort(([a], [b]) => a < b ? -1 : 1);
  return escapeHtml(JSON.stringify(Object.fromEntries(entries)));
}

/** Go's encoding/json writes these so that its output may stand in HTML. */
function escapeHtml(json: string): string {
  return json.replace(
    /[<>&\u2028\u2029]/g,
    (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}

/** The row with its texts made fit for a terminal; for tables only, scripts get the truth. */
function escapeRow(row: Row): Row {
  const escaped: Record<string, Field> = {};
  for (const [name, value] of Object.entries(row)) {
    escaped[name] = typeof value === "string"
      ? escapeControls(value)
      : typeof value === "function"
      ? (argument: string) => escapeControls(value(argument))
      : value;
  }
  return escaped;
}

/** The text of the value in a table. */
const cell = (row: Row, name: string) => escapeControls(String(row[name] ?? ""));

/** Literal `\t` and `\n` of the command line become what they stand for. */
export const unescapeFormat = (format: string) =>
  format.replaceAll("\\t", "\t").replaceAll("\\n", "\n");

/**
 * The text that a list command prints: its default table, `table TEMPLATE`, `json`, `raw`, a
 * template for each row, or with `quiet` alone one field of each. Throws UserError with docker's text
 * for a template that does not parse or run.
 */
export async function formatList(
  rows: readonly Row[],
  spec: ListSpec,
  options: ListOptions = {},
): Promise<string> {
  const { quiet, warn = console.error } = options;
  let format = options.format ?? "";
  if (quiet && format !== "" && spec.isPs) {
    warn("WARNING: Ignoring custom format, because both --format and --quiet are set.");
  }
  // All but ps let a format of the user's win over -q.
  if (quiet && (spec.isPs || format === "" || format === "table")) {
    return rows.map((row) => `${row[spec.quietField]}\n`).join("");
  }
  format ||= options.configured ?? "";
  if (format === "" || format === "table") {
    const titles = spec.columns.map((name) => spec.headers[name]).join("\t");
    const lines = rows.map((row) => spec.columns.map((name) => cell(row, name)).join("\t"));
    return alignColumns([titles, ...lines]);
  }
  if (format === "json") return rows.map((row) => jsonRow(spec, row) + "\n").join("");
  if (format === "raw" && spec.raw !== undefined) format = spec.raw;
  const { renderList } = await import("./list_template.ts");
  const isTable = format.startsWith("table");
  const text = unescapeFormat(
    (isTable ? format.slice("table".length) : format).replace(/^ +| +$/g, ""),
  );
  if (!isTable) return renderList(text, rows, spec).map((line) => line + "\n").join("");
  return alignColumns(
    renderList(text, rows.map(escapeRow), spec, true).flatMap((line) => line.split("\n")),
  );
}

/** Prints a list on stdout. */
export async function printList(
  rows: readonly Row[],
  spec: ListSpec,
  options: ListOptions = {},
): Promise<void> {
  await writeOut(await formatList(rows, spec, options));
}

/** Writes a text to stdout, all of it; on a terminal it writes lines and does nothing else to it. */
export async function writeOut(text: string): Promise<void> {
  const bytes = new TextEncoder().encode(Deno.stdout.isTerminal() ? escapeLines(text) : text);
  for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
}

/** How printFormatted() words its errors and names its template. */
export interface FormattedOptions {
  /** Name in error texts: `template: <name>:1:2: …`. */
  readonly name?: string;
  /** Default: a map, whose absent keys are errors. */
  readonly typeName?: string;
}

/**
 * Prints one value by the `--format` of version and info: `json` or a template, with a line
 * break; the exit code. Throws UserError, exit code 64, for a template that does not parse.
 */
export async function printFormatted(
  format: string,
  data: unknown,
  options: FormattedOptions = {},
): Promise<number> {
  if (format === "json") {
    await writeOut(JSON.stringify(data) + "\n");
    return 0;
  }
  const { renderFacts } = await import("./list_template.ts");
  const { written, error } = renderFacts(format, data, options);
  await writeOut(written + "\n");
  if (error === undefined) return 0;
  console.error(error);
  return 1;
}

/** The first 12 hex digits of an ID, without `sha256:`; the whole of it with --no-trunc. */
export function shortId(id: string, noTrunc = false): string {
  return noTrunc ? id : id.replace(/^sha256:/, "").slice(0, 12);
}

/** Cuts a text to `length` characters, the last of which then is an ellipsis. */
export function ellipsis(text: string, length: number, noTrunc = false): string {
  if (noTrunc) return text;
  const characters = Array.from(text);
  if (characters.length <= length) return text;
  return characters.slice(0, length - 1).join("") + "…";
}

const COLOURS = { red: 31, green: 32, yellow: 33, blue: 34, dim: 2, bold: 1 } as const;

/** A painter for a stream: leaves texts alone where there is no terminal, or NO_COLOR is set. */
export function painter(
  isTerminal: boolean,
  noColor: string | undefined = Deno.env.get("NO_COLOR"),
): (colour: keyof typeof COLOURS, text: string) => string {
  if (!isTerminal || (noColor !== undefined && noColor !== "")) return (_, text) => text;
  return (colour, text) => `\x1b[${COLOURS[colour]}m${text}\x1b[0m`;
}

/** Asks on stdout and reads one line of stdin; anything but y or yes, and the end, is a no. */
export function confirm(question: string): boolean {
  Deno.stdout.writeSync(new TextEncoder().encode(`${question} [y/N] `));
  const line: number[] = [];
  const byte = new Uint8Array(1);
  while (Deno.stdin.readSync(byte) === 1 && byte[0] !== 0x0a) line.push(byte[0]);
  const answer = new TextDecoder().decode(new Uint8Array(line)).trim().toLowerCase();
  return answer === "y" || answer === "yes";
}
