/**
 * Variables in a Dockerfile's words: $name, ${name} and its modifiers, quotes, escapes.
 * Source: Dockerfile reference, "Environment replacement".
 */
import { UserError } from "../base/errors.ts";
import { quoteGo } from "../base/quote.ts";

/** What a variable is; undefined: it is not set. */
export type Lookup = (name: string) => string | undefined;

/** How expand() reads. */
export interface ExpandOptions {
  readonly escape: string;
  /** Quotes and escapes stay as they are: here-documents. */
  readonly raw?: boolean;
}

/** One word with its variables replaced and, unless `raw`, its quotes and escapes taken away. */
export function expand(text: string, lookup: Lookup, options: ExpandOptions): string {
  return new Expansion(text, lookup, options).until("").join("");
}

/** As expand(); white space outside of quotes ends a word, also where a variable brought it. */
export function expandWords(text: string, lookup: Lookup, options: ExpandOptions): string[] {
  const pieces = new Expansion(text, lookup, options).until("", true);
  const words: string[] = [];
  let word = "";
  let has = false;
  for (const piece of pieces) {
    if (piece === BREAK) {
      if (has) words.push(word);
      word = "";
      has = false;
    } else {
      word += piece;
      has = true;
    }
  }
  if (has) words.push(word);
  return words;
}

/** Stands between words. No word has it: a Dockerfile is text. */
const BREAK = "\0";

class Expansion {
  #at = 0;
  /** In a pattern what is escaped stays so: it is no wildcard. */
  #inPattern = false;

  constructor(
    readonly text: string,
    readonly lookup: Lookup,
    readonly options: ExpandOptions,
  ) {}

  /** What comes before `stop`, which is taken; "" is the end of the text. */
  until(stop: string, splits = false): string[] {
    const out: string[] = [];
    while (this.#at < this.text.length) {
      const char = this.text[this.#at];
      if (char === stop) {
        this.#at++;
        return out;
      }
      out.push(...this.#next(char, splits));
    }
    if (stop !== "") throw this.#error(`unexpected end of statement while looking for matching }`);
    return out;
  }

  #next(char: string, splits: boolean): string[] {
    const { raw, escape } = this.options;
    if (char === "$") return split(this.#dollar(), splits);
    if (char === escape) {
      this.#at++;
      const escaped = this.text[this.#at] ?? "";
      if (this.#at < this.text.length) this.#at++;
      if (raw || this.#inPattern) return [char, escaped];
      return [escaped === "" ? char : escaped];
    }
    if (!raw && char === "'") return [this.#single()];
    if (!raw && char === '"') return [this.#double()];
    this.#at++;
    return split(char, splits);
  }

  #single(): string {
    const end = this.text.indexOf("'", this.#at + 1);
    if (end < 0) {
      throw this.#error("unexpected end of statement while looking for matching single-quote");
    }
    const text = this.text.slice(this.#at + 1, end);
    this.#at = end + 1;
    return text;
  }

  #double(): string {
    let out = "";
    this.#at++;
    for (;;) {
      const char = this.text[this.#at];
      if (char === undefined) {
        throw this.#error("unexpected end of statement while looking for matching double-quote");
      }
      if (char === '"') {
        this.#at++;
        return out;
      }
      if (char === "$") {
        out += this.#dollar();
        continue;
      }
      this.#at++;
      const next = this.text[this.#at];
      // Only these may be escaped here; before anything else the escape stands for itself.
      if (char === this.options.escape && next !== undefined && `"$${char}`.includes(next)) {
        out += next;
        this.#at++;
      } else out += char;
    }
  }

  #dollar(): string {
    this.#at++;
    if (this.text[this.#at] !== "{") {
      const name = this.#name();
      return name === "" ? "$" : this.lookup(name) ?? "";
    }
    this.#at++;
    const name = this.#name();
    const char = this.text[this.#at];
    if (char === undefined) throw this.#error("syntax error: missing '}'");
    if (name === "") throw this.#error(`\${${char}: bad substitution`);
    this.#at++;
    const value = this.lookup(name);
    switch (char) {
      case "}":
        return value ?? "";
      case ":":
        return this.#alternative(name, this.text[this.#at++] ?? "", value || undefined);
      case "+":
      case "-":
      case "?":
        return this.#alternative(name, char, value);
      case "#":
      case "%":
        return this.#trim(char, value ?? "");
      case "/":
        return this.#replace(value ?? "");
      default:
        throw this.#error(`unsupported modifier (${char}) in substitution`);
    }
  }

  /** A name, or one of the shell's special ones. */
  #name(): string {
    const match = /^(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?!$-])/.exec(this.text.slice(this.#at));
    // "#" and its like are names only where nothing but the brace follows.
    if (match !== null && /^[@*#?!$-]$/.test(match[0]) && this.text[this.#at - 1] !== "{") {
      return "";
    }
    this.#at += match?.[0].length ?? 0;
    return match?.[0] ?? "";
  }

  #alternative(name: string, modifier: string, value: string | undefined): string {
    const word = this.until("}").join("");
    switch (modifier) {
      case "+":
        return value === undefined ? "" : word;
      case "-":
        return value ?? word;
      case "?":
        if (value !== undefined) return value;
        throw this.#error(word === "" ? `${name}: not allowed to be unset` : `${name}: ${word}`);
      default:
        throw this.#error(`unsupported modifier (${modifier}) in substitution`);
    }
  }

  /** `${x#pattern}`, `##`, `%`, `%%`: without the shortest or longest match at one end. */
  #trim(side: string, value: string): string {
    const greedy = this.text[this.#at] === side;
    if (greedy) this.#at++;
    const pattern = globSource(this.#pattern("}"), this.options.escape, greedy);
    if (side === "#") return value.replace(new RegExp(`^${pattern}`, "s"), "");
    if (greedy) return value.replace(new RegExp(`${pattern}$`, "s"), "");
    for (let at = value.length; at >= 0; at--) {
      if (new RegExp(`^${pattern}$`, "s").test(value.slice(at))) return value.slice(0, at);
    }
    return value;
  }

  #pattern(stop: string): string {
    this.#inPattern = true;
    const text = this.until(stop).join("");
    this.#inPattern = false;
    return text;
  }

  /** `${x/pattern/text}`, `//` for every match. */
  #replace(value: string): string {
    const all = this.text[this.#at] === "/";
    if (all) this.#at++;
    const pattern = globSource(this.#pattern("/"), this.options.escape, true);
    const text = this.until("}").join("");
    return value.replace(new RegExp(pattern, all ? "gs" : "s"), () => text);
  }

  #error(why: string): UserError {
    return new UserError(`failed to process ${quoteGo(this.text)}: ${why}`);
  }
}

/** White space outside of quotes becomes a break between words. */
function split(text: string, splits: boolean): string[] {
  if (!splits) return [text];
  return text.split(/(\s+)/).filter((part) => part !== "")
    .map((part) => /^\s/.test(part) ? BREAK : part);
}

/** A shell pattern of `*` and `?` as the source of a regular expression. */
function globSource(pattern: string, escape: string, greedy: boolean): string {
  let source = "";
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i];
    if (char === "*") source += greedy ? ".*" : ".*?";
    else if (char === "?") source += ".";
    else {
      const literal = char === escape && i + 1 < pattern.length ? pattern[++i] : char;
      source += literal.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
    }
  }
  return source;
}
