/**
 * Patterns of paths: Go's filepath.Match, with "**" for any number of directories. Contexts come
 * from anybody, and a pattern of many stars makes a regular expression try for hours: such a one is
 * matched by all its states at once, in a time that grows with text and pattern only.
 */
import { UserError } from "../base/errors.ts";

type Token =
  | { readonly kind: "one"; readonly source: string; readonly test: (char: string) => boolean }
  /** Any characters but "/". */
  | { readonly kind: "star" }
  /** Any characters. */
  | { readonly kind: "all" }
  /** Nothing, or any number of whole directories. */
  | { readonly kind: "directories" };

const SOURCES = { star: "[^/]*", all: ".*", directories: "(?:.*/)?" } as const;

/** As many stars are left to a regular expression: it is faster and tries a square at most. */
const FEW_STARS = 2;

/** A pattern, read. */
export class Glob {
  readonly #tokens: readonly Token[];
  readonly #expression: RegExp | undefined;

  /** Throws UserError. */
  constructor(pattern: string) {
    this.#tokens = tokensOf(pattern);
    const stars = this.#tokens.filter(({ kind }) => kind !== "one").length;
    if (stars > FEW_STARS) return;
    const source = this.#tokens.map((one) => one.kind === "one" ? one.source : SOURCES[one.kind]);
    this.#expression = new RegExp(`^${source.join("")}$`, "su");
  }

  /** Whether it matches a whole text. */
  test(text: string): boolean {
    return this.#expression?.test(text) ?? matches(this.#tokens, text);
  }
}

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  const chars = [...pattern];
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i];
    if (char === "*" && chars[i + 1] === "*") {
      i++;
      if (chars[i + 1] === "/") i++;
      const kind = i + 1 >= chars.length ? "all" : "directories";
      // One more of them adds nothing.
      if (tokens.at(-1)?.kind !== kind) tokens.push({ kind });
    } else if (char === "*") {
      if (tokens.at(-1)?.kind !== "star") tokens.push({ kind: "star" });
    } else if (char === "?") {
      tokens.push({ kind: "one", source: "[^/]", test: (one) => one !== "/" });
    } else if (char === "[") {
      const end = chars.indexOf("]", i + 2);
      if (end < 0) throw new UserError(`syntax error in pattern "${pattern}"`);
      tokens.push(classToken(chars.slice(i, end + 1).join(""), pattern));
      i = end;
    } else tokens.push(literal(char === "\\" ? chars[++i] ?? "\\" : char));
  }
  return tokens;
}

function literal(char: string): Token {
  const source = char.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  return { kind: "one", source, test: (one) => one === char };
}

function classToken(text: string, pattern: string): Token {
  try {
    const expression = new RegExp(`^${text}$`, "su");
    return { kind: "one", source: text, test: (one) => expression.test(one) };
  } catch {
    throw new UserError(`syntax error in pattern "${pattern}"`);
  }
}

/** Follows all ways through the tokens at once; state 2i: before token i, 2i+1: inside of it. */
function matches(tokens: readonly Token[], text: string): boolean {
  const end = 2 * tokens.length;
  let now = new Set<number>();
  enter(tokens, now, 0);
  for (const char of text) {
    const next = new Set<number>();
    for (const state of now) {
      const token = tokens[state >> 1];
      if (token === undefined) continue;
      const behind = (state >> 1 << 1) + 2;
      switch (token.kind) {
        case "one":
          if (token.test(char)) enter(tokens, next, behind);
          break;
        case "star":
          if (char !== "/") enter(tokens, next, state);
          break;
        case "all":
          enter(tokens, next, state);
          break;
        case "directories":
          next.add(state | 1);
          if (char === "/") enter(tokens, next, behind);
      }
    }
    if (next.size === 0) return false;
    now = next;
  }
  return now.has(end);
}

/** Adds a state, and those that it leads to without a character. */
function enter(tokens: readonly Token[], states: Set<number>, state: number): void {
  for (let at = state; !states.has(at); at += 2) {
    states.add(at);
    const token = tokens[at >> 1];
    if (token === undefined || token.kind === "one") return;
  }
}
