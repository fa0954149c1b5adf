import { quoteGo } from "../../base/quote.ts";

/** A float that may be whole: JavaScript's 2 is Go's int 2, not its float64 2.0. */
export class Float {
  constructor(readonly value: number) {}
}

const ESCAPES: Record<string, string> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
};
const ESCAPE = /\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|[\s\S])/g;

function unescape(body: string, mark: string): string {
  return body.replace(ESCAPE, (_, code: string) => {
    if (code === mark) return mark;
    const simple = ESCAPES[code];
    if (simple !== undefined) return simple;
    const value = /^[0-7]{3}$/.test(code) ? parseInt(code, 8) : parseInt(code.slice(1), 16);
    if (Number.isNaN(value) || code.length < 3 || value > 0x10ffff) {
      throw new Error("invalid syntax");
    }
    return String.fromCodePoint(value);
  });
}

/** The value of a Go string literal, quotes included. Throws an Error with Go's text. */
export function unquote(text: string): string {
  if (text[0] === "`") return text.slice(1, -1).replaceAll("\r", "");
  return unescape(text.slice(1, -1), '"');
}

/** The value of a Go number or character literal: a number (int) or a Float. */
export function number(text: string): number | Float {
  if (text[0] === "'") {
    const characters = Array.from(unescape(text.slice(1, -1), "'"));
    if (characters.length !== 1) throw new Error(`malformed character constant: ${text}`);
    return characters[0].codePointAt(0)!;
  }
  const plain = text.replaceAll("_", "");
  const sign = plain[0] === "-" ? -1 : 1;
  const digits = plain.replace(/^[+-]/, "");
  const bad = () => new Error(`illegal number syntax: ${quoteGo(text)}`);
  if (/^0[xX][0-9a-fA-F]+$|^0[oO][0-7]+$|^0[bB][01]+$/.test(digits)) return sign * Number(digits);
  if (/^0[0-7]+$/.test(digits)) return sign * parseInt(digits, 8);
  if (/^(0|[1-9]\d*)$/.test(digits)) {
    const value = sign * Number(digits);
    if (Math.abs(value) > 2 ** 63) throw new Error(`integer overflow: ${quoteGo(text)}`);
    return value;
  }
  const hex = /^0[xX]([0-9a-fA-F]*)\.?([0-9a-fA-F]*)[pP]([+-]?\d+)$/.exec(digits);
  if (hex !== null && hex[1] + hex[2] !== "") {
    return new Float(
      sign * parseInt(hex[1] + hex[2], 16) * 2 ** (Number(hex[3]) - 4 * hex[2].length),
    );
  }
  if (!/^(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(digits)) throw bad();
  const value = sign * Number(digits);
  if (!Number.isFinite(value)) throw bad();
  return new Float(value);
}
