import { Float } from "./literals.ts";
import { sprintf } from "./printf.ts";
import {
  format,
  isStrings,
  kindOf,
  sortedKeys,
  sprint,
  toNumber,
  truth,
  typeName,
} from "./value.ts";

/** What a parameter takes. Whatever does not fit is refused before the call, in Go's words. */
export type Type = "any" | "string" | "int" | "[]string";

/** A function that templates may call. What it throws becomes `error calling <name>: …`. */
export interface Fn {
  readonly params: readonly Type[];
  /** Any number of further arguments of the type. */
  readonly rest?: Type;
  readonly call: (...args: never[]) => unknown;
}

const define = (params: readonly Type[], call: Fn["call"], rest?: Type): Fn => ({
  params,
  call,
  rest,
});

/** A position for index and slice. */
function position(value: unknown, word: "index" | "slice"): number {
  if (kindOf(value) === "int") return Number(value);
  if (value == null) throw new Error(`cannot index slice/array with nil`);
  throw new Error(
    `cannot ${word === "index" ? "index" : "slice"} slice/array with type ${typeName(value)}`,
  );
}

/** What a map gives for an absent key: the zero value of what its other values are. */
function absent(map: Record<string, unknown>): unknown {
  const values = Object.values(map);
  if (values.every((value) => typeof value === "string")) return "";
  return undefined;
}

/** `index x 1 "k"`: x[1]["k"]. */
function index(item: unknown, ...keys: unknown[]): unknown {
  if (item === undefined || item === null) throw new Error("index of untyped nil");
  for (const key of keys) {
    switch (kindOf(item)) {
      case "none":
      case "nil":
        throw new Error("index of nil pointer");
      case "string":
      case "slice": {
        const at = position(key, "index");
        const list = typeof item === "string" ? new TextEncoder().encode(item) : item as unknown[];
        if (at < 0 || at >= list.length) throw new Error(`index out of range: ${at}`);
        item = list[at];
        break;
      }
      case "map": {
        if (key == null) throw new Error("value is nil; should be of type string");
        if (typeof key !== "string") {
          throw new Error(`value has type ${typeName(key)}; should be string`);
        }
        const map = item as Record<string, unknown>;
        item = Object.hasOwn(map, key) ? map[key] : absent(map);
        break;
      }
      default:
        throw new Error(`can't index item of type ${typeName(item)}`);
    }
  }
  return item;
}

/** `slice x 1 2`: x[1:2]; a text is cut by bytes, as in Go. */
function slice(item: unknown, ...bounds: unknown[]): unknown {
  if (item === undefined || item === null) throw new Error("slice of untyped nil");
  if (bounds.length > 3) throw new Error(`too many slice indexes: ${bounds.length}`);
  const kind = kindOf(item);
  if (kind !== "string" && kind !== "slice") {
    throw new Error(`can't slice item of type ${typeName(item)}`);
  }
  if (kind === "string" && bounds.length === 3) throw new Error("cannot 3-index slice a string");
  const list = typeof item === "string" ? new TextEncoder().encode(item) : item as unknown[];
  const points = bounds.map((bound) => position(bound, "slice"));
  for (const point of points) {
    if (point < 0 || point > list.length) throw new Error(`index out of range: ${point}`);
  }
  const [from = 0, to = list.length] = points;
  if (from > to) throw new Error(`invalid slice index: ${from} > ${to}`);
  const part = list.slice(from, to);
  return part instanceof Uint8Array ? new TextDecoder().decode(part) : part;
}

function length(item: unknown): number {
  switch (kindOf(item)) {
    case "none":
    case "nil":
      throw new Error("reflect: call of reflect.Value.Type on zero Value");
    case "string":
      return new TextEncoder().encode(item as string).length;
    case "slice":
      return (item as unknown[]).length;
    case "map":
      return Object.keys(item as object).length;
    default:
      throw new Error(`len of type ${typeName(item)}`);
  }
}

const BASIC = new Set(["bool", "string", "int", "float"]);

function equal(first: unknown, ...others: unknown[]): boolean {
  if (others.length === 0) throw new Error("missing argument for comparison");
  const kind = kindOf(first);
  for (const other of others) {
    const missing = first == null || other == null;
    if (!missing && BASIC.has(kind) !== BASIC.has(kindOf(other))) {
      throw new Error("incompatible types for comparison");
    }
    if (!missing && BASIC.has(kind) && kind !== kindOf(other)) {
      throw new Error("incompatible types for comparison");
    }
    if (!missing && !BASIC.has(kind)) {
      throw new Error(`non-comparable type ${format(first)}: ${typeName(first)}`);
    }
    const same = missing
      ? first == null && other == null
      : kind === "int" || kind === "float"
      ? toNumber(first) === toNumber(other)
      : first === other;
    if (same) return true;
  }
  return false;
}

function less(a: unknown, b: unknown): boolean {
  const kind = kindOf(a);
  for (const value of [a, b]) {
    if (!BASIC.has(kindOf(value))) throw new Error("invalid type for comparison");
  }
  if (kind !== kindOf(b)) throw new Error("incompatible types for comparison");
  if (kind === "bool") throw new Error("invalid type for comparison");
  if (kind !== "string") return toNumber(a) < toNumber(b);
  return a !== b && sortedKeys({ [a as string]: 0, [b as string]: 0 })[0] === a;
}

/** The one text, or all as Sprint prints them. */
function join(args: readonly unknown[]): string {
  return args.length === 1 && typeof args[0] === "string" ? args[0] : sprint(args);
}

const HTML: Record<string, string> = {
  "<": "&lt;",
  ">": "&gt;",
  "&": "&amp;",
  "'": "&#39;",
  '"': "&#34;",
  "\0": "\ufffd",
};

function javascript(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what is escaped
  return text.replace(/[\\'"<>&=\x00-\x1f]/g, (c) => {
    if (/[\\'"]/.test(c)) return "\\" + c;
    return "\\u" + c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
  });
}

function urlQuery(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]|%20/g,
    (c) => c === "%20" ? "+" : "%" + c.charCodeAt(0).toString(16).toUpperCase(),
  );
}

/** Go's encoding/json writes these so that its output may stand in HTML. */
function escapeHtml(json: string): string {
  return json.replace(
    /[<>&\u2028\u2029]/g,
    (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}

/** A value as compact JSON, its order of keys kept; functions of a row are left out. */
function toJson(value: unknown): string {
  if (value === undefined) return "null";
  const json = JSON.stringify(value, (_, part) => part instanceof Float ? part.value : part);
  // Rows of lists marshal themselves; docker's json function escapes nothing else.
  return typeof value === "object" && value !== null && Object.hasOwn(value, "toJSON") &&
      !Array.isArray(value)
    ? escapeHtml(json)
    : json ?? "null";
}

/** Go's strings.Title: what is neither letter, digit nor underscore starts a new word. */
function title(text: string): string {
  return text.replace(
    /(^|[\p{White_Space}\0-/:-@[-^`{-\x7f])(\p{L})/gu,
    (_, before: string, letter: string) => before + letter.toUpperCase(),
  );
}

function repeat(count: number): string {
  if (count < 0) throw new Error("strings: negative Repeat count");
  return " ".repeat(Math.min(count, 1 << 20));
}

function truncate(text: string, count: number): string {
  const characters = Array.from(text);
  if (count < 0) throw new Error(`runtime error: slice bounds out of range [:${count}]`);
  return characters.length < count ? text : characters.slice(0, count).join("");
}

function callValue(fn: unknown, ...args: unknown[]): unknown {
  if (fn == null) throw new Error("call of nil");
  if (typeof fn !== "function") {
    throw new Error(`non-function ${format(fn)} of type ${typeName(fn)}`);
  }
  return fn(...args);
}

/** `and` and `or` are listed for their parameters; the executor stops at the deciding one. */
export const FUNCTIONS: ReadonlyMap<string, Fn> = new Map<string, Fn>([
  ["and", define(["any"], () => undefined, "any")],
  ["or", define(["any"], () => undefined, "any")],
  ["not", define(["any"], (value: unknown) => !truth(value))],
  ["index", define(["any"], index, "any")],
  ["slice", define(["any"], slice, "any")],
  ["len", define(["any"], length)],
  ["eq", define(["any"], equal, "any")],
  ["ne", define(["any", "any"], (a: unknown, b: unknown) => !equal(a, b))],
  ["lt", define(["any", "any"], less)],
  ["le", define(["any", "any"], (a: unknown, b: unknown) => less(a, b) || equal(a, b))],
  ["gt", define(["any", "any"], (a: unknown, b: unknown) => !less(a, b) && !equal(a, b))],
  ["ge", define(["any", "any"], (a: unknown, b: unknown) => !less(a, b))],
  ["print", define([], (...args: unknown[]) => sprint(args), "any")],
  [
    "println",
    define([], (...args: unknown[]) => args.map((v) => format(v)).join(" ") + "\n", "any"),
  ],
  ["printf", define(["string"], (text: string, ...args: unknown[]) => sprintf(text, args), "any")],
  [
    "html",
    define([], (...args: unknown[]) => join(args).replace(/[<>&'"\0]/g, (c) => HTML[c]), "any"),
  ],
  ["js", define([], (...args: unknown[]) => javascript(join(args)), "any")],
  ["urlquery", define([], (...args: unknown[]) => urlQuery(join(args)), "any")],
  ["call", define(["any"], callValue, "any")],
  ["json", define(["any"], toJson)],
  [
    "split",
    define(
      ["string", "string"],
      (text: string, by: string) => by === "" ? Array.from(text) : text.split(by),
    ),
  ],
  ["join", define(["[]string", "string"], (list: string[], by: string) => list.join(by))],
  ["title", define(["string"], title)],
  ["lower", define(["string"], (text: string) => text.toLowerCase())],
  ["upper", define(["string"], (text: string) => text.toUpperCase())],
  [
    "pad",
    define(
      ["string", "int", "int"],
      (text: string, left: number, right: number) =>
        text === "" ? "" : repeat(left) + text + repeat(right),
    ),
  ],
  ["truncate", define(["string", "int"], truncate)],
]);

/** For the titles of a table: a title passes unchanged through what would change the value. */
export const HEADER_FUNCTIONS: ReadonlyMap<string, Fn> = new Map<string, Fn>([
  ...FUNCTIONS,
  ...["json", "title", "lower", "upper"].map((name): [string, Fn] => [
    name,
    define(["string"], (text: unknown) => text),
  ]),
  ["split", define(["any", "string"], (text: unknown) => text)],
  ["join", define(["any", "string"], (text: unknown) => text)],
  ["pad", FUNCTIONS.get("pad")!],
  ["slice", define(["any"], (text: unknown) => text, "any")],
  ["truncate", define(["any", "int"], (text: unknown) => text)],
]);

/** Whether a value may be passed for a parameter; the empty list is a []string as well. */
export function fits(value: unknown, type: Type): boolean {
  switch (type) {
    case "any":
      return true;
    case "string":
      return typeof value === "string";
    case "int":
      return kindOf(value) === "int";
    case "[]string":
      return isStrings(value) || (Array.isArray(value) && value.length === 0);
  }
}
