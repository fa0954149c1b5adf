import type { CommandSpec, Flag } from "./args.ts";
import { COMMANDS, GROUPS, groupVerbs, type Section } from "./commands.ts";

const PROGRAM = "diplodock";

/** The usage line or lines of a command, without a line break at the end. */
export function usageLines(spec: CommandSpec, path: string): string {
  const forms = typeof spec.usage === "string" ? [spec.usage] : spec.usage;
  const lines = forms.map((form) => `${PROGRAM} ${path} ${form}`.trimEnd());
  return `Usage:  ${lines.join("\n\t")}`;
}

// pflag lets a line run over by as much rather than leave a short last word alone.
const SLOP = 5;
const NARROWEST = 24;

/** Breaks `text` at blanks into lines of `width`; its own line breaks stay. */
export function wrap(text: string, width: number): string[] {
  if (width < NARROWEST) return text.split("\n");
  const lines: string[] = [];
  for (let rest of text.split("\n")) {
    while (rest.length >= width) {
      const blank = rest.lastIndexOf(" ", width - SLOP - 1);
      if (blank <= 0) break;
      lines.push(rest.slice(0, blank));
      rest = rest.slice(blank + 1);
    }
    lines.push(rest);
  }
  return lines;
}

function defaultNote(flag: Flag): string {
  if (flag.defaultText !== undefined) {
    return flag.defaultText === "" ? "" : ` (default ${flag.defaultText})`;
  }
  if (flag.default === undefined || flag.default === false || flag.default === "") return "";
  if (flag.default === 0) return "";
  if (typeof flag.default === "string") return ` (default "${flag.default}")`;
  return typeof flag.default === "object" ? "" : ` (default ${flag.default})`;
}

const HELP: Flag = { type: "bool", help: "Print usage" };

/** The options of a command, aligned and wrapped to `columns` as docker does. */
function optionLines(own: CommandSpec["flags"], columns: number): string[] {
  // Where -h means something else, the page has to say how to ask for it.
  const takesH = Object.values(own).some((flag) => flag.short === "h");
  const flags = takesH ? { ...own, help: HELP } : own;
  const shown = Object.entries(flags).filter(([, flag]) =>
    !flag.hidden && flag.deprecated === undefined
  ).sort(([a], [b]) => a < b ? -1 : 1);
  const left = shown.map(([name, flag]) => {
    const short = flag.short === undefined ? "    " : `-${flag.short}, `;
    const value = flag.value ?? (flag.type === "bool" ? "" : flag.type);
    return `  ${short}--${name}${value === "" ? "" : " " + value}`;
  });
  const indent = Math.max(...left.map((text) => text.length)) + 3;
  return shown.flatMap(([, flag], i) => {
    const lines = wrap((flag.help ?? "") + defaultNote(flag), columns - 1 - indent);
    return lines.map((line, n) => (n === 0 ? left[i].padEnd(indent) : " ".repeat(indent)) + line);
  });
}

/** The help page of a command, called by `path`. */
export function helpPage(spec: CommandSpec, path: string, columns = 80): string {
  const parts = [usageLines(spec, path), spec.description ?? spec.summary];
  if (spec.aliases !== undefined && spec.aliases.length > 1) {
    parts.push(`Aliases:\n  ${spec.aliases.map((name) => `${PROGRAM} ${name}`).join(", ")}`);
  }
  if (spec.examples !== undefined) {
    parts.push(`Examples:\n${spec.examples.map((line) => `  ${line}`).join("\n")}`);
  }
  const options = optionLines(spec.flags, columns);
  if (options.length > 0) parts.push(`Options:\n${options.join("\n")}`);
  return parts.join("\n\n") + "\n";
}

function listing(title: string, rows: (readonly [name: string, summary: string])[]): string {
  const width = Math.max(11, ...rows.map(([name]) => name.length + 1));
  const lines = rows.map(([name, summary]) => `  ${name.padEnd(width)} ${summary}`);
  return `${title}:\n${lines.join("\n")}`;
}

/** The page of a group of commands. */
export function groupPage(name: string): string {
  // Spellings work and are left out, as docker leaves out its aliases.
  const seen = new Set<unknown>();
  const rows = groupVerbs(name).filter(([, row]) => !seen.has(row) && seen.add(row));
  return [
    `Usage:  ${PROGRAM} ${name} COMMAND`,
    GROUPS[name].summary,
    listing("Commands", rows.map(([verb, row]) => [verb, row.summary])),
    `Run '${PROGRAM} ${name} COMMAND --help' for more information on a command.\n`,
  ].join("\n\n");
}

const TITLES: [Section, string][] = [
  ["common", "Common Commands"],
  ["other", "Commands"],
  ["system", "System Commands"],
];

const EXAMPLES: [needs: string, line: string][] = [
  ["run", "run --rm host echo hello"],
  ["run", "run -d --name web -p 8080:80 nginx"],
  ["exec", "exec -it web sh"],
  ["logs", "logs -f web"],
  ["ps", "ps -a --format 'table {{.Names}}\\t{{.Status}}'"],
  ["explain", "explain run -m 512m alpine"],
];

/** The page of the program. */
export function frontPage(): string {
  const parts = [
    `Usage:  ${PROGRAM} [OPTIONS] COMMAND`,
    "Containers without a daemon, from one file",
  ];
  const rows = Object.entries(COMMANDS).filter(([name]) => !name.includes(" "));
  for (const [section, title] of TITLES) {
    const own = rows.filter(([, row]) => row.section === section);
    if (section !== "common") own.sort(([a], [b]) => a < b ? -1 : 1);
    if (own.length > 0) parts.push(listing(title, own.map(([name, row]) => [name, row.summary])));
    if (section !== "common") continue;
    const groups = Object.keys(GROUPS).filter((name) => groupVerbs(name).length > 0);
    const summaries = groups.map((name) => [name, GROUPS[name].summary] as const);
    if (groups.length > 0) parts.push(listing("Management Commands", summaries));
  }
  const examples = EXAMPLES.filter(([needs]) => Object.hasOwn(COMMANDS, needs));
  if (examples.length > 0) {
    parts.push(`Examples:\n${examples.map(([, line]) => `  ${PROGRAM} ${line}`).join("\n")}`);
  }
  parts.push(
    "Options:\n      --help      Print this page; behind a command, that command's page\n" +
      "  -v, --version   Print version information and quit",
  );
  parts.push(`Run '${PROGRAM} COMMAND --help' for more information on a command.\n`);
  return parts.join("\n\n");
}
