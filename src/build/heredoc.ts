/** Here-documents of RUN, COPY and ADD: their openings in a line. */
import { rawWords, unquote } from "../image/raw_words.ts";

/** One here-document. */
export interface Heredoc {
  readonly name: string;
  /** Variables in it are expanded: its name was not quoted. */
  readonly expand: boolean;
  /** `<<-`: tabs at the start of its lines are dropped. */
  readonly chomp: boolean;
  readonly content: string;
}

const OPENING = /^\d*<<(-?)([^<]+)$/;

/** The opening that a word is, still without content; undefined: it is none. */
export function heredocOf(word: string, escape: string): Heredoc | undefined {
  const match = OPENING.exec(word);
  if (match === null) return undefined;
  const name = unquote(match[2], escape);
  if (name === "") return undefined;
  return { name, expand: name === match[2], chomp: match[1] === "-", content: "" };
}

/** The openings in a line, in order. */
export function heredocsOf(line: string, escape: string): Heredoc[] {
  return rawWords(line, escape).flatMap((word) => heredocOf(word, escape) ?? []);
}
