import { quoteGo } from "../../base/quote.ts";
import { NilPointer, Struct } from "./go_value.ts";
import { Float } from "./literals.ts";

/**
 * The values of a template: JSON's, those of Go types (go_value.ts), Float and functions.
 * `undefined` is Go's "no value" (an absent key), `null` its nil.
 */
export type Kind =
  | "none"
  | "nil"
  | "bool"
  | "string"
  | "int"
  | "float"
  | "slice"
  | "map"
  | "struct"
  | "func";

export function kindOf(value: unknown): Kind {
  if (value === undefined) return "none";
  if (value === null || value instanceof NilPointer) return "nil";
  switch (typeof value) {
    case "boolean":
      return "bool";
    case "string":
      return "string";
    case "bigint":
      return "int";
    case "number":
      return Number.isInteger(value) && Math.abs(value) < 2 ** 64 ? "int" : "float";
    case "function":
      return "func";
  }
  if (value instanceof Float) return "float";
  if (value instanceof Struct) return "struct";
  return Array.isArray(value) ? "slice" : "map";
}

/** A number of either kind as JavaScript has it. */
export function toNumber(value: unknown): number {
  return value instanceof Float ? value.value : Number(value);
}

/** Go's name of the type of a value that came out of JSON. */
export function typeName(value: unknown): string {
  switch (kindOf(value)) {
    case "none":
      return "interface {}";
    case "nil":
      return value instanceof NilPointer ? value.title : "interface {}";
    case "struct":
      return (value as Struct).title;
    case "float":
      return "float64";
    case "slice":
      return isStrings(value) ? "[]string" : "[]interface {}";
    case "map":
      return "map[string]interface {}";
    case "func":
      return "func()";
    case "bool":
      return "bool";
    case "string":
      return "string";
    case "int":
      return "int";
  }
}

/** Whether a list holds texts only; such a list may go where Go wants a []string. */
export function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every((v) => typeof v === "string");
}

/** The keys of a map in the order in which Go prints and walks them: by bytes. */
export function sortedKeys(map: object): string[] {
  // Code points and UTF-8 sort alike; UTF-16 does not, beyond the basic plane.
  return Object.keys(map).sort((a, b) => {
    const [x, y] = [Array.from(a), Array.from(b)];
    const i = x.findIndex((c, n) => c !== y[n]);
    if (i < 0) return x.length - y.length;
    return (x[i].codePointAt(0) ?? 0) - (y[i]?.codePointAt(0) ?? -1);
  });
}

/** Whether `if` takes the value for true. */
export function truth(value: unknown): boolean {
  switch (kindOf(value)) {
    case "none":
    case "nil":
      return false;
    case "bool":
      return value as boolean;
    case "int":
    case "float":
      return toNumber(value) !== 0;
    case "string":
    case "slice":
      return (value as string).length > 0;
    case "map":
      return Object.keys(value as object).length > 0;
    case "func":
    case "struct":
      return true;
  }
}

/** A float64 as Go's %v: the shortest form, with an exponent below 1e-4 and from 1e21 on. */
function formatFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (Object.is(value, -0)) return "-0";
  const [mantissa, power] = value.toExponential().split("e");
  const exponent = Number(power);
  if (value === 0 || (exponent >= -4 && exponent < 21)) {
    return exponent < 0
      ? value.toFixed(Math.max(0, mantissa.replace(/^-?\d\.?/, "").length - exponent))
      : String(value);
  }
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** How format() goes inside lists, maps and structs. */
export interface Shown {
  /** Texts as %q, as %q does of a list. */
  readonly quote?: boolean;
  /** Fields with their names, as %+v. */
  readonly names?: boolean;
}

/** A value as Go's %v; inside lists and maps too. */
export function format(value: unknown, how: Shown = {}): string {
  switch (kindOf(value)) {
    case "none":
    case "nil":
      return "<nil>";
    case "float":
      return formatFloat(toNumber(value));
    case "string":
      return how.quote ? quoteGo(value as string) : value as string;
    case "slice":
      return `[${(value as unknown[]).map((item) => format(item, how)).join(" ")}]`;
    case "map": {
      const map = value as Record<string, unknown>;
      const show = (key: string) => `${how.quote ? quoteGo(key) : key}:${format(map[key], how)}`;
      return `map[${sortedKeys(map).map(show).join(" ")}]`;
    }
    case "struct": {
      const { text, fields } = value as Struct;
      if (text !== undefined) return text;
      const show = ([name, item]: [string, unknown]) =>
        (how.names ? `${name}:` : "") + format(item, how);
      return `{${[...fields].map(show).join(" ")}}`;
    }
    default:
      return String(value);
  }
}

/** What an action writes for a value: as format(), but `<no value>` where there is none. */
export function print(value: unknown): string {
  return value === undefined || value === null ? "<no value>" : format(value);
}

/** Go's fmt.Sprint: a blank between two operands neither of which is a text. */
export function sprint(values: readonly unknown[]): string {
  return values.map((value, i) => {
    const blank = i > 0 && typeof value !== "string" && typeof values[i - 1] !== "string";
    return (blank ? " " : "") + format(value);
  }).join("");
}
