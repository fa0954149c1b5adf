/** The report: a table of medians and ratios with the verdict on each goal. */
import type { Case } from "./cases.ts";
import type { EngineName } from "./engines.ts";
import type { Result } from "./measure.ts";

/** One goal: ours against a peer, or against a fixed limit. */
export interface Verdict {
  /** "docker" … or "limit". */
  against: EngineName | "limit";
  /** Ours divided by theirs; for a limit, ours. */
  value: number;
  goal: number;
  holds: boolean;
}

/** One case after it ran. */
export interface Row {
  name: string;
  unit: string;
  results: Partial<Record<EngineName, Result>>;
  failures: Partial<Record<EngineName, string>>;
  verdict: Verdict[];
}

/** Judges our median by the case's goals; peers without a result are left out. */
export function verdictOf(
  test: Case,
  results: Partial<Record<EngineName, Result>>,
): Verdict[] {
  const ours = results.diplodock?.median;
  if (ours === undefined) return [];
  const verdicts: Verdict[] = [];
  for (const [peer, goal] of Object.entries(test.goals) as [EngineName, number][]) {
    const theirs = results[peer]?.median;
    if (theirs === undefined) continue;
    const value = ours / theirs;
    verdicts.push({ against: peer, value, goal, holds: value <= goal });
  }
  if (test.limit !== undefined) {
    verdicts.push({ against: "limit", value: ours, goal: test.limit, holds: ours <= test.limit });
  }
  return verdicts;
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

function verdictText({ against, value, goal, holds }: Verdict): string {
  const mark = holds ? "ok" : "MISSED";
  if (against === "limit") return `${mark} ${number(value)} <= ${goal}`;
  return `${mark} ${value.toFixed(2)} of ${against} (goal ${goal})`;
}

/** Columns as wide as their widest cell. */
function align(lines: readonly string[][]): string {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((row) => row[column].length)));
  return lines.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join("  "))
    .map((line) => line.trimEnd()).join("\n");
}

/** The whole table as text: the medians of `engines`, then the goals. */
export function table(rows: readonly Row[], engines: readonly EngineName[]): string {
  const lines = [["case", ...engines, "unit", "goals"]];
  for (const row of rows) {
    const cells = engines.map((name) => {
      if (row.failures[name] !== undefined) return "failed";
      const result = row.results[name];
      return result === undefined ? "-" : number(result.median);
    });
    lines.push([row.name, ...cells, row.unit, row.verdict.map(verdictText).join(", ")]);
  }
  const failures = rows.flatMap((row) =>
    Object.entries(row.failures).map(([name, text]) => `${row.name}: ${name}: ${text}`)
  );
  return [align(lines), ...failures].join("\n");
}
