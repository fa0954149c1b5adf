/** The live table of `stats`: a line a container, with graphs of what it used lately. */
import type { ContainerUsage, Usage } from "../engine/stats.ts";
import { cellWidth, ellipsis, type painter, type Row } from "./output.ts";
import { fit, type ProgressOutput } from "./progress.ts";
import { statsRow } from "./stats_row.ts";

/** How many readings a graph can go back. */
const HISTORY = 60;
const WIDEST_GRAPH = 24, NARROWEST_GRAPH = 8;
const WIDEST_NAME = 24;
const GAP = "  ";
const BARS = "▁▂▃▄▅▆▇█";
/** A graph's top is its highest value, but no less than so many percent: noise is no mountain. */
const LEAST_TOP_PERCENT = 10;

type Paint = ReturnType<typeof painter>;

/** The last `cells` of `values` as bars, the newest at the right; `top` is a full one. */
export function sparkline(values: readonly number[], top: number, cells: number): string {
  const bars = values.slice(-cells).map((value) => {
    const level = Math.ceil(value / top * BARS.length) - 1;
    return BARS[Math.min(Math.max(level, 0), BARS.length - 1)];
  });
  return bars.join("").padStart(cells);
}

/** What was read of one container, newest last. */
interface Past {
  readonly cpuPercent: number[];
  readonly memoryPercent: number[];
}

const memoryPercent = ({ memoryBytes, memoryLimitBytes }: Usage) =>
  memoryLimitBytes > 0 ? memoryBytes / memoryLimitBytes * 100 : 0;

/** A column of the live table. */
interface Column {
  readonly title: string;
  /** How wide it is at least, where its texts change their lengths often. */
  readonly least?: number;
  /** The text of a cell, or what a graph is of. */
  readonly content: string | { readonly past: keyof Past; readonly colour: "green" | "blue" };
}

/** All columns from left to right. */
const COLUMNS = {
  id: { title: "CONTAINER ID", content: "ID" },
  name: { title: "NAME", content: "Name" },
  cpu: { title: "CPU %", least: "100.00%".length, content: "CPUPerc" },
  cpuPast: { title: "CPU HISTORY", content: { past: "cpuPercent", colour: "green" } },
  memory: { title: "MEM USAGE / LIMIT", content: "MemUsage" },
  memoryPart: { title: "MEM %", content: "MemPerc" },
  memoryPast: { title: "MEM HISTORY", content: { past: "memoryPercent", colour: "blue" } },
  network: { title: "NET I/O", content: "NetIO" },
  block: { title: "BLOCK I/O", content: "BlockIO" },
  pids: { title: "PIDS", content: "PIDs" },
} as const satisfies Record<string, Column>;

type ColumnName = keyof typeof COLUMNS;

/** What a narrow terminal goes without, first to go first. */
const EXPENDABLE: readonly ColumnName[] = [
  ...["memoryPast", "block", "network", "id", "pids", "memoryPart", "memory"] as const,
];

/** One line of the table before it is drawn. */
interface Line {
  readonly texts: Row;
  readonly past: Past;
}

/** The width of a column's texts; graphs are made as wide as there is room. */
function textWidth(name: ColumnName, lines: readonly Line[]): number {
  const { title, least = 0, content }: Column = COLUMNS[name];
  if (typeof content !== "string") return title.length;
  return Math.max(
    title.length,
    least,
    ...lines.map(({ texts }) => cellWidth(String(texts[content]))),
  );
}

/** The columns that fit, and how many cells a graph has. */
function layOut(lines: readonly Line[], columns: number) {
  const widths = new Map(
    (Object.keys(COLUMNS) as ColumnName[]).map((name) => [name, textWidth(name, lines)]),
  );
  const isGraph = (name: ColumnName) => typeof COLUMNS[name].content !== "string";
  const room = () => {
    const graphs = [...widths.keys()].filter(isGraph);
    const texts = [...widths].filter(([name]) => !isGraph(name));
    const taken = texts.reduce((sum, [, width]) => sum + width, 0) +
      GAP.length * (widths.size - 1) + graphs.length * "CPU HISTORY".length;
    return { left: columns - 1 - taken, graphs: graphs.length };
  };
  for (const name of EXPENDABLE) {
    if (room().left >= 0) break;
    widths.delete(name);
  }
  const { left, graphs } = room();
  const extra = Math.max(0, Math.floor(left / graphs));
  const cells = Math.min(WIDEST_GRAPH, Math.max(NARROWEST_GRAPH, "CPU HISTORY".length + extra));
  for (const name of widths.keys()) if (isGraph(name)) widths.set(name, cells);
  return widths;
}

/** A line with its cells as wide as `widths` says. */
function lineText(
  { texts, past }: Line,
  widths: readonly [ColumnName, number][],
  paint: Paint,
): string {
  return widths.map(([name, width]) => {
    const { content } = COLUMNS[name];
    if (typeof content === "string") {
      const text = String(texts[content]);
      return text + " ".repeat(Math.max(0, width - cellWidth(text)));
    }
    const values = past[content.past].slice(-width);
    return paint(
      content.colour,
      sparkline(values, Math.max(LEAST_TOP_PERCENT, ...values), width),
    );
  }).join(GAP).trimEnd();
}

/** The lines of the table, each narrower than `columns`, no more of them than `rows`. Pure. */
function drawTable(
  lines: readonly Line[],
  { columns, rows }: { columns: number; rows: number },
  paint: Paint,
): string[] {
  const most = Math.max(1, rows - 2);
  const shown = lines.length <= most ? lines : lines.slice(0, most - 1);
  const widths = [...layOut(shown, columns)];
  const titles = widths.map(([name, width]) => COLUMNS[name].title.padEnd(width)).join(GAP);
  const drawn = shown.map((line) => {
    const plain = lineText(line, widths, (_, text) => text);
    // Cut in the middle of a graph, a line would leave its colour on.
    return cellWidth(plain) < columns ? lineText(line, widths, paint) : fit(plain, columns);
  });
  const rest = lines.length - shown.length;
  return [
    paint("bold", fit(titles.trimEnd(), columns)),
    ...drawn,
    ...(rest > 0 ? [`… and ${rest} more`] : []),
  ];
}

/** Draws samples over one another, where the first was drawn; the cursor stays below. */
export class StatsScreen {
  readonly #past = new Map<string, Past>();
  #height = 0;
  #size = { columns: 0, rows: 0 };

  constructor(
    private readonly output: ProgressOutput,
    private readonly paint: Paint,
    private readonly noTrunc: boolean,
  ) {}

  /** Takes a sample in and shows it. */
  draw(sample: readonly ContainerUsage[]): void {
    const lines = sample.map((container): Line => ({
      texts: {
        ...statsRow(container, this.noTrunc),
        Name: ellipsis(container.name, WIDEST_NAME, this.noTrunc),
      },
      past: this.#remember(container),
    }));
    this.show((size) => drawTable(lines, size, this.paint));
  }

  /** Draws `lines` over those of the last call. One write, so that nothing flickers. */
  show(draw: (size: { columns: number; rows: number }) => string[]): void {
    const size = this.output.size();
    // Lines that wrapped when the terminal changed its size cannot be counted any more.
    const changed = this.#height > 0 &&
      (size.columns !== this.#size.columns || size.rows !== this.#size.rows);
    const back = changed ? "\x1b[2J\x1b[H" : this.#height > 0 ? `\x1b[${this.#height}A\r` : "";
    const lines = draw(size);
    this.output.write(back + lines.map((line) => `\x1b[2K${line}\n`).join("") + "\x1b[J");
    this.#height = lines.length;
    this.#size = size;
  }

  #remember({ id, usage }: ContainerUsage): Past {
    const past = this.#past.get(id) ?? { cpuPercent: [], memoryPercent: [] };
    this.#past.set(id, past);
    const isKnown = usage !== undefined && usage !== "unknown";
    past.cpuPercent.push(isKnown ? usage.cpuPercent : 0);
    past.memoryPercent.push(isKnown ? memoryPercent(usage) : 0);
    for (const values of [past.cpuPercent, past.memoryPercent]) {
      if (values.length > HISTORY) values.shift();
    }
    return past;
  }
}
