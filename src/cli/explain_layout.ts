/** What explanations are laid out with: nothing wider than the terminal, long paths named once. */
import { alignColumns } from "./output.ts";

/** Puts short names in place of long paths. */
export type Shorten = (text: string) => string;

/** A name, and what it stands for. */
export type PathNames = readonly (readonly [name: string, meaning: string])[];

/** A part with its title; nothing where there is nothing in it. */
export function section(title: string, body: string): string {
  return body === "" ? "" : `${title}\n${body}`;
}

/** Puts the names in: the longest path first, so that what contains another is found. */
export function shortener(names: PathNames): Shorten {
  const sorted = [...names].sort(([, a], [, b]) => b.length - a.length);
  return (text) => sorted.reduce((rest, [name, long]) => rest.replaceAll(long, name), text);
}

/**
 * Cuts a text at blanks into lines of at most `columns` characters; each but the first begins
 * with `indent` blanks. A word that is too long stays whole.
 */
export function wrap(text: string, columns: number, indent: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/(?<=\S)(?= \S)/)) {
    if (line.trim() !== "" && line.length + word.length > columns) {
      lines.push(line);
      line = " ".repeat(indent) + word.trimStart();
    } else line += word;
  }
  return [...lines, line];
}

/** Lines, each wrapped on its own. */
export function wrapLines(lines: readonly string[], columns: number): string {
  return lines.flatMap((line) => wrap(line, columns, 4)).map((line) => `${line}\n`).join("");
}

/** A table whose last column is wrapped to what the others leave of the width. */
export function table(
  header: readonly string[],
  rows: readonly string[][],
  columns: number,
): string {
  const all = [header, ...rows];
  const before = header.length - 1;
  const start = all[0].slice(0, before).reduce(
    (sum, _, i) => sum + Math.max(10, ...all.map((row) => row[i].length + 3)),
    0,
  );
  const room = Math.max(24, columns - start);
  return alignColumns(
    all.flatMap((row) =>
      wrap(row[before], room, 0).map((line, i) =>
        [...row.slice(0, before).map((cell) => i === 0 ? cell : ""), line].join("\t")
      )
    ),
  );
}
