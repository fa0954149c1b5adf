/** An explanation as text for people: nothing wider than their terminal, long paths named once. */
import { callText, type Explanation } from "../engine/explain.ts";
import type { ExplainedNetwork } from "../engine/explain_network.ts";
import {
  type PathNames,
  section,
  type Shorten,
  shortener,
  table,
  wrap,
  wrapLines,
} from "./explain_layout.ts";
import { alignColumns } from "./output.ts";

const TITLES: Record<Explanation["kind"], string> = {
  run: "would be made and started",
  start: "would be started",
  running: "runs",
  exec: "would get one more process",
};

/**
 * The whole text: tables, then each program. `columns` is the width to keep to; `root` the
 * engine's directory, which gets a name as all long paths do.
 */
export function explanationText(
  explanation: Explanation,
  columns: number,
  root: string,
): string {
  const { kind, container, cgroup, network, descriptors, programs } = explanation;
  const names = pathNames(explanation, root);
  const short = shortener(names);
  const parts = [
    `Container ${container.name} (${container.id.slice(0, 12)}) ${TITLES[kind]}.\n`,
    section("NAMES used below", alignColumns(names.map((pair) => pair.join("\t")))),
    section("NAMESPACES", namespaceTable(explanation, columns)),
    section(`CGROUP ${short(cgroup.path)}`, cgroupTable(explanation, columns, short)),
    section("NETWORK", wrapLines(networkLines(network), columns)),
    section(
      "DESCRIPTORS (opened before; their numbers differ each time)",
      wrapLines(descriptors.map(({ number, what }) => `${number}  ${short(what)}`), columns),
    ),
    ...programs.map(({ title, steps }) =>
      section(`PROGRAM of ${title}`, programText(steps, columns, short))
    ),
  ];
  return parts.filter((part) => part !== "").join("\n");
}

/** Names for what is long and comes again and again. */
function pathNames({ container, programs }: Explanation, root: string): PathNames {
  const texts = programs.flatMap(({ steps }) => steps.flatMap(({ args }) => args));
  const layer = /[^"\s:=]+\/layers\/[0-9a-f]{64}\/fs/g;
  const layers = new Set(texts.flatMap((text) => text.match(layer) ?? []));
  return [
    ["$ID", container.id],
    ["$ROOT", root],
    ...[...layers].map((path, i) => [`$LAYER${i + 1}`, path] as const),
  ];
}

function namespaceTable({ namespaces }: Explanation, columns: number): string {
  const rows = namespaces.map(({ type, isolates, flag, origin, from, inode }) => {
    const whose = origin === "new" ? "new" : origin === "host" ? "the host's" : `of ${from}`;
    return [type, whose, flag, inode === undefined ? "-" : String(inode), isolates];
  });
  const header = ["TYPE", "WHOSE", "FLAG", "INODE", "ISOLATES"];
  const known = namespaces.some(({ inode }) => inode !== undefined);
  const pick = (row: string[]) => known ? row : row.filter((_, i) => i !== 3);
  return table(pick(header), rows.map(pick), columns);
}

/** First the directories, on one line; then what is written, the same to several files once. */
function cgroupTable({ cgroup }: Explanation, columns: number, short: Shorten): string {
  const made = cgroup.writes.filter(({ value, why }) => value === undefined && !/born/.test(why));
  const rows: string[][] = [];
  for (const { path, value, now, why } of cgroup.writes) {
    if (value === undefined && !/born/.test(why)) continue;
    const file = value === undefined ? short(path) : path.slice(path.lastIndexOf("/") + 1);
    const written = value === undefined ? "-" : JSON.stringify(value);
    const current = now === undefined || now === value ? "" : ` (now ${now.split("\n")[0]})`;
    const row = [file, written + current, why];
    if (rows.at(-1)?.join("\t") !== row.join("\t")) rows.push(row);
  }
  const directories = made.map(({ path }) => short(path).split("/"));
  if (rows.length + directories.length === 0) return "";
  const lines = wrapLines([madeLine(directories)].filter((line) => line !== ""), columns);
  return lines + (rows.length === 0 ? "" : table(["FILE", "WRITTEN", "WHY"], rows, columns));
}

/** "made in /sys/fs/cgroup: cpu/diplodock/$ID, …", with what differs between them in braces. */
function madeLine(directories: readonly string[][]): string {
  if (directories.length === 0) return "";
  const [first] = directories;
  const differs = first.findIndex((part, i) => directories.some((other) => other[i] !== part));
  if (differs < 0) return `made: ${first.join("/")}`;
  const names = directories.map((parts) => parts[differs]).join(", ");
  const path = first.map((part, i) => i === differs ? "*" : part).join("/");
  return `made: ${path} for * = ${names}; each file below is in the directory of its controller`;
}

function networkLines({ mode, links, dns, shaping, ports, rules }: ExplainedNetwork): string[] {
  if (mode !== "networks") return [mode === "none" ? "lo only" : `that of the ${mode}`];
  const lines = links.map(({ network, bridge, hostLink, name, addresses, gateways, mac }) => {
    const words = [
      `${name} of network ${network}: veth pair with ${hostLink} on bridge ${bridge}`,
      ...addresses.map((address) => `address ${address}`),
      ...gateways.map((gateway) => `default route via ${gateway}`),
      ...(mac === undefined ? [] : [`MAC ${mac}`]),
    ];
    return words.join(", ");
  });
  return [
    ...lines,
    ...(dns === undefined ? [] : [`DNS: ${dns}`]),
    ...(shaping === undefined ? [] : [`what it sends: ${shaping}`]),
    ...ports.map((port) => `port ${port}`),
    ...rules.map((rule) => `rule ${rule}`),
  ];
}

type Steps = Explanation["programs"][number]["steps"];

/** What tidies up between two steps of one goal does not begin a new one. */
const TIDY = "close a descriptor";

/**
 * Steps by their goals: a goal of one step stands behind it, else above its steps. The numbers
 * are those that jumps refer to.
 */
function programText(steps: Steps, columns: number, short: Shorten): string {
  const width = String(steps.length).length;
  const indent = width + 6;
  const lines: string[] = [];
  for (const { goal, members } of goalsOf(steps)) {
    const calls = members.map((step) => {
      const notes = step.notes.length === 0 ? "" : `  [${step.notes.join("; ")}]`;
      return `${String(step.number).padStart(width)}  ${short(callText(step))}${notes}`;
    });
    const behind = `${calls[0]}  # ${short(goal)}`;
    if (calls.length === 1 && behind.length <= columns) lines.push(behind);
    else {
      lines.push(...wrap(`# ${short(goal)}`, columns, 2));
      for (const call of calls) lines.push(...wrap(call, columns, indent));
    }
  }
  return lines.map((line) => `${line}\n`).join("");
}

function goalsOf(steps: Steps): { goal: string; members: Steps[number][] }[] {
  const groups: { goal: string; members: Steps[number][] }[] = [];
  for (const step of steps) {
    const last = groups.at(-1);
    if (last !== undefined && (step.goal === last.goal || step.goal === TIDY)) {
      last.members.push(step);
    } else groups.push({ goal: step.goal, members: [step] });
  }
  return groups;
}
