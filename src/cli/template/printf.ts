import { quoteGo, quoteRune } from "../../base/quote.ts";
import { format, kindOf, toNumber, typeName } from "./value.ts";

interface Flags {
  minus: boolean;
  plus: boolean;
  sharp: boolean;
  space: boolean;
  zero: boolean;
  width: number | undefined;
  precision: number | undefined;
}

const VERB = /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d*))?(?:\[(\d+)\])?([\s\S]?)/gu;
const WIDEST = 10_000; // a width beyond this would only fill the memory

function pad(text: string, flags: Flags, zeros = false): string {
  const length = Array.from(text).length;
  const missing = (flags.width ?? 0) - length;
  if (missing <= 0) return text;
  if (flags.minus) return text + " ".repeat(missing);
  if (!zeros || !flags.zero) return " ".repeat(missing) + text;
  const sign = /^[+\- ]/.exec(text)?.[0] ?? "";
  return sign + "0".repeat(missing) + text.slice(sign.length);
}

function signed(text: string, flags: Flags): string {
  if (text.startsWith("-")) return text;
  return flags.plus ? "+" + text : flags.space ? " " + text : text;
}

const BASES: Record<string, [radix: number, prefix: string]> = {
  d: [10, ""],
  b: [2, "0b"],
  o: [8, "0"],
  O: [8, "0o"],
  x: [16, "0x"],
  X: [16, "0X"],
};

function integer(value: unknown, verb: string, flags: Flags): string | undefined {
  const number = BigInt(value as number | bigint);
  const base = Object.hasOwn(BASES, verb) ? BASES[verb] : undefined;
  if (base !== undefined) {
    let digits = (number < 0n ? -number : number).toString(base[0]);
    if (verb === "X") digits = digits.toUpperCase();
    if (flags.precision !== undefined) digits = digits.padStart(flags.precision, "0");
    if (flags.sharp || verb === "O") digits = base[1] + digits;
    const zeros = flags.precision === undefined;
    return pad(signed(number < 0n ? "-" + digits : digits, flags), flags, zeros);
  }
  const inRange = number >= 0n && number <= 0x10ffffn;
  const character = inRange ? String.fromCodePoint(Number(number)) : "\ufffd";
  if (verb === "c") return pad(character, flags);
  if (verb === "q") return pad(quoteRune(character), flags);
  if (verb === "U") {
    const name = "U+" + number.toString(16).toUpperCase().padStart(4, "0");
    return pad(flags.sharp ? `${name} '${character}'` : name, flags);
  }
  return undefined;
}

/** Go writes at least two digits of an exponent. */
const exponent = (text: string) => text.replace(/e([+-])(\d)$/, "e$10$2");

function float(value: number, verb: string, flags: Flags): string | undefined {
  const digits = flags.precision;
  let text: string;
  if (verb === "f" || verb === "F") text = value.toFixed(Math.min(digits ?? 6, 100));
  else if (/[eE]/.test(verb)) text = exponent(value.toExponential(Math.min(digits ?? 6, 100)));
  else if (!/[gG]/.test(verb)) return undefined;
  else if (digits === undefined) text = format(value);
  else {
    const [, power] = value.toExponential(Math.max(digits, 1) - 1).split("e");
    const small = Number(power) >= -4 && Number(power) < Math.max(digits, 1);
    const shown = small
      ? value.toPrecision(Math.max(digits, 1))
      : value.toExponential(Math.max(digits, 1) - 1);
    text = exponent(shown.replace(/(\.\d*?)0+(?=e|$)/, "$1").replace(/\.(?=e|$)/, ""));
  }
  if (/[EG]/.test(verb)) text = text.toUpperCase();
  return pad(signed(text, flags), flags, true);
}

function hex(text: string, verb: string): string {
  const bytes = new TextEncoder().encode(text);
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return verb === "X" ? digits.toUpperCase() : digits;
}

function string(text: string, verb: string, flags: Flags): string | undefined {
  const { precision } = flags;
  const cut = precision === undefined ? text : Array.from(text).slice(0, precision).join("");
  if (verb === "s" || verb === "v") return pad(cut, flags);
  if (verb === "q") {
    const raw = flags.sharp && !cut.includes("`");
    return pad(raw ? "`" + cut + "`" : quoteGo(cut), flags);
  }
  return verb === "x" || verb === "X" ? pad(hex(cut, verb), flags) : undefined;
}

/** One operand by one verb. A verb that does not fit shows as Go shows it: %!d(string=hi). */
function one(value: unknown, verb: string, flags: Flags): string {
  const kind = kindOf(value);
  if (verb === "T") return pad(value == null ? "<nil>" : typeName(value), flags);
  if (kind === "none" || kind === "nil") {
    return verb === "v" ? pad("<nil>", flags) : `%!${verb}(<nil>)`;
  }
  let text: string | undefined;
  if (kind === "slice") {
    if (verb === "v") return pad(format(value), flags);
    return `[${(value as unknown[]).map((item) => one(item, verb, flags)).join(" ")}]`;
  }
  if (kind === "map" || kind === "struct") {
    if (/[vs]/.test(verb)) return pad(format(value, { names: flags.plus }), flags);
    if (verb === "q") return pad(format(value, { quote: true }), flags);
  } else if (kind === "string") text = string(value as string, verb, flags);
  else if (kind === "int") text = integer(value, verb === "v" ? "d" : verb, flags);
  else if (kind === "float") text = float(toNumber(value), verb === "v" ? "g" : verb, flags);
  else if (kind === "bool" && /[tv]/.test(verb)) text = pad(String(value), flags);
  return text ?? `%!${verb}(${typeName(value)}=${format(value)})`;
}

/** Go's fmt.Sprintf, for the values that templates have. */
export function sprintf(pattern: string, args: readonly unknown[]): string {
  let next = 0;
  let reordered = false;
  const star = (): number | undefined => {
    const value = args[next++];
    return kindOf(value) === "int" ? Number(value) : undefined;
  };
  const text = pattern.replace(VERB, (whole, marks, width, precision, index, verb) => {
    if (verb === "") return "%!(NOVERB)";
    if (verb === "%") return "%";
    if (whole.length > WIDEST || Number(width) > WIDEST || Number(precision) > WIDEST) {
      return "%!(BADWIDTH)";
    }
    const flags: Flags = {
      minus: marks.includes("-"),
      plus: marks.includes("+"),
      sharp: marks.includes("#"),
      space: marks.includes(" "),
      zero: marks.includes("0") && !marks.includes("-"),
      width: undefined,
      precision: undefined,
    };
    if (width !== undefined) flags.width = width === "*" ? star() : Number(width);
    if (precision !== undefined) flags.precision = precision === "*" ? star() : Number(precision);
    if (index !== undefined) {
      reordered = true;
      next = Number(index) - 1;
      if (next < 0 || next >= args.length) return `%!${verb}(BADINDEX)`;
    }
    if (next >= args.length) return `%!${verb}(MISSING)`;
    return one(args[next++], verb, flags);
  });
  if (reordered || next >= args.length) return text;
  const extra = args.slice(next).map((value) =>
    value == null ? "<nil>" : `${typeName(value)}=${format(value)}`
  );
  return `${text}%!(EXTRA ${extra.join(", ")})`;
}
