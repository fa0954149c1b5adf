import { isPrintable, quoteGo } from "../../base/quote.ts";

export type TokenKind =
  | "error"
  | "EOF"
  | "text"
  | "open"
  | "close"
  | "space"
  | "identifier"
  | "keyword"
  | "field"
  | "variable"
  | "bool"
  | "string"
  | "char"
  | "number"
  | "dot"
  | "nil"
  | "|"
  | "("
  | ")"
  | "="
  | ":="
  | "other";

export interface Token {
  readonly kind: TokenKind;
  readonly at: number;
  readonly text: string;
  readonly line: number;
}

const KEYWORDS = new Set([
  "block",
  "break",
  "continue",
  "define",
  "else",
  "end",
  "if",
  "range",
  "template",
  "with",
]);
const SPACE = /[ \t\r\n]/;
const WORD = /[\p{L}\p{Nd}_]/u;
// Sign, then hex, octal, binary or decimal digits with fraction and exponent; `i` is refused later.
const NUMBER = new RegExp(
  "[+-]?(?:0[xX][0-9a-fA-F_]*(?:\\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*|" +
    "0[bB][01_]*|[0-9_]*(?:\\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?",
  "y",
);

/** How Go's %#U shows a character: U+0021 '!'. */
function unicodeName(character: string): string {
  const hex = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
  return isPrintable(character) ? `U+${hex} '${character}'` : `U+${hex}`;
}

class Lexer {
  readonly tokens: Token[] = [];
  private at = 0;
  private line = 1;
  private depth = 0;

  constructor(private readonly input: string) {}

  run(): Token[] {
    while (this.text() && this.action());
    return this.tokens;
  }

  private add(kind: TokenKind, end: number, text = this.input.slice(this.at, end)): void {
    this.tokens.push({ kind, at: this.at, text, line: this.line });
    for (let i = this.at; i < end; i++) if (this.input[i] === "\n") this.line++;
    this.at = end;
  }

  private skip(end: number): void {
    this.add("space", end);
    this.tokens.pop();
  }

  private fail(text: string): false {
    this.tokens.push({ kind: "error", at: this.at, text, line: this.line });
    return false;
  }

  /** Text up to the next action; false at the end. A comment counts as nothing. */
  private text(): boolean {
    for (;;) {
      const found = this.input.indexOf("{{", this.at);
      const end = found < 0 ? this.input.length : found;
      const trims = found >= 0 && this.input[end + 2] === "-" && this.isSpace(end + 3);
      let last = end;
      if (trims) { while (last > this.at && this.isSpace(last - 1)) last--; }
      if (last > this.at) this.add("text", last);
      if (end > this.at) this.skip(end);
      if (found < 0) {
        this.add("EOF", this.at, "");
        return false;
      }
      const inside = this.at + (trims ? 4 : 2);
      const comment = trims ? this.skipSpace(inside - 1) : inside;
      if (!this.input.startsWith("/*", comment)) {
        this.add("open", inside - (trims ? 1 : 0), "{{");
        this.depth = 0;
        return true;
      }
      const close = this.input.indexOf("*/", comment);
      if (close < 0) return this.fail("unclosed comment");
      const length = this.closeLength(close + 2);
      if (length === 0) return this.fail("comment ends before closing delimiter");
      this.leave(close + 2 + length, length > 2);
    }
  }

  private isSpace(at: number): boolean {
    return at < this.input.length && SPACE.test(this.input[at]);
  }

  private skipSpace(at: number): number {
    while (this.isSpace(at)) at++;
    return at;
  }

  /** Length of the closing delimiter at `at`: 2 for `}}`, 4 for ` -}}`, else 0. */
  private closeLength(at: number): 0 | 2 | 4 {
    if (this.input.startsWith("}}", at)) return 2;
    return this.isSpace(at) && this.input.startsWith("-}}", at + 1) ? 4 : 0;
  }

  private leave(end: number, trims: boolean): void {
    this.skip(trims ? this.skipSpace(end) : end);
  }

  /** The tokens of one action; false after an error. */
  private action(): boolean {
    for (;;) {
      const length = this.closeLength(this.at);
      if (length > 0) {
        if (this.depth > 0) return this.fail("unclosed left paren");
        this.add("close", this.at + length, "}}");
        if (length > 2) this.leave(this.at, true);
        return true;
      }
      if (this.at >= this.input.length) return this.fail("unclosed action");
      const character = String.fromCodePoint(this.input.codePointAt(this.at)!);
      if (!this.one(character)) return false;
    }
  }

  private one(character: string): boolean {
    switch (character) {
      case " ":
      case "\t":
      case "\r":
      case "\n": {
        let end = this.at + 1;
        while (this.isSpace(end) && this.closeLength(end) !== 4) end++;
        this.add("space", end);
        return true;
      }
      case "=":
      case "|":
        this.add(character, this.at + 1);
        return true;
      case ":":
        if (this.input[this.at + 1] !== "=") return this.fail("expected :=");
        this.add(":=", this.at + 2);
        return true;
      case '"':
        return this.quoted('"', "string", "unterminated quoted string");
      case "'":
        return this.quoted("'", "char", "unterminated character constant");
      case "`": {
        const end = this.input.indexOf("`", this.at + 1);
        if (end < 0) return this.fail("unterminated raw quoted string");
        this.add("string", end + 1);
        return true;
      }
      case "$":
        return this.word("variable");
      case "(":
        this.depth++;
        this.add("(", this.at + 1);
        return true;
      case ")":
        if (--this.depth < 0) return this.fail("unexpected right paren");
        this.add(")", this.at + 1);
        return true;
    }
    if (character === "." && !/[0-9]/.test(this.input[this.at + 1] ?? "")) {
      return this.word("field");
    }
    if (/[.+\-0-9]/.test(character)) return this.number();
    if (WORD.test(character)) return this.word("identifier");
    if (character > "\x7f" || !isPrintable(character)) {
      return this.fail(`unrecognized character in action: ${unicodeName(character)}`);
    }
    this.add("other", this.at + 1);
    return true;
  }

  private quoted(mark: string, kind: TokenKind, unterminated: string): boolean {
    let end = this.at + 1;
    while (end < this.input.length && this.input[end] !== mark && this.input[end] !== "\n") {
      end += this.input[end] === "\\" ? 2 : 1;
    }
    if (this.input[end] !== mark) return this.fail(unterminated);
    this.add(kind, end + 1);
    return true;
  }

  /** `.name`, `$name`, `name`, or the bare `.` and `$`. */
  private word(kind: "field" | "variable" | "identifier"): boolean {
    let end = kind === "identifier" ? this.at : this.at + 1;
    for (;;) {
      const code = this.input.codePointAt(end);
      if (code === undefined) break;
      const character = String.fromCodePoint(code);
      if (WORD.test(character)) {
        end += character.length;
        continue;
      }
      const ends = SPACE.test(character) || ".,|:)(".includes(character) ||
        this.input.startsWith("}}", end);
      if (!ends) return this.fail(`bad character ${unicodeName(character)}`);
      break;
    }
    const text = this.input.slice(this.at, end);
    this.add(text === "." ? "dot" : kind === "identifier" ? wordKind(text) : kind, end);
    return true;
  }

  private number(): boolean {
    NUMBER.lastIndex = this.at;
    const end = this.at + (NUMBER.exec(this.input)?.[0].length ?? 0);
    if (end > this.at && !WORD.test(this.input[end] ?? "")) {
      this.add("number", end);
      return true;
    }
    const shown = this.input.slice(this.at, end + (end < this.input.length ? 1 : 0));
    return this.fail(`bad number syntax: ${quoteGo(shown)}`);
  }
}

function wordKind(word: string): TokenKind {
  if (KEYWORDS.has(word)) return "keyword";
  if (word === "nil") return "nil";
  return word === "true" || word === "false" ? "bool" : "identifier";
}

/** Cuts a template into tokens; the last is `EOF` or `error`. */
export function lex(input: string): Token[] {
  return new Lexer(input).run();
}
