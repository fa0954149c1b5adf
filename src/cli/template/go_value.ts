/**
 * Values of Go types. docker's templates see Go structs, not JSON: these have every field, in an
 * order of their own, and print as `{a b}`.
 */

/**
 * A type, in Go's words: `string`, `int`, `bool`, `any`, `time`, `duration`, `struct{}`, the name
 * of a struct, `*T`, `[]T`, and `map:T` for a map from texts to T.
 */
export type GoType = string;

/**
 * A struct's fields in Go's order. `DNS=Dns`: the name in Go and, where it is another one, in
 * JSON. `+Resources`: embedded, its fields are also those of the struct around it.
 */
export type GoFields = Readonly<Record<string, GoType>>;

export interface GoStruct {
  /** The name in error texts, with the package. */
  readonly title: string;
  readonly fields: GoFields;
  /** The type's String() method. */
  readonly text?: (json: Readonly<Record<string, unknown>>) => string;
}

/** Structs by name. */
export type GoTypes = Readonly<Record<string, GoStruct>>;

/** A struct. Marshals as the JSON that it was made from. */
export class Struct {
  constructor(
    readonly title: string,
    /** In order, as they print. */
    readonly fields: ReadonlyMap<string, unknown>,
    /** Those of embedded structs. */
    readonly promoted: ReadonlyMap<string, unknown>,
    private readonly json: unknown,
    /** What a struct prints that has a String() method. */
    readonly text?: string,
  ) {}

  has(name: string): boolean {
    return this.fields.has(name) || this.promoted.has(name);
  }

  get(name: string): unknown {
    return this.fields.get(name) ?? this.promoted.get(name);
  }

  toJSON(): unknown {
    return this.json;
  }
}

/** A pointer that is nil: prints as `<nil>`, where JSON's null is no value at all. */
export class NilPointer {
  constructor(readonly title: string) {}

  toJSON(): null {
    return null;
  }
}

/** A list that is null in the data: empty to templates, null to `json`. */
const NIL_LIST: readonly unknown[] = Object.assign([], { toJSON: () => null });

/** A map that is null in the data. */
const NIL_MAP: Readonly<Record<string, unknown>> = Object.create({ toJSON: () => null });

/** Maps of a Go type: what is absent from them is no value and no error. */
const typedMaps = new WeakSet<object>([NIL_MAP]);

/** Whether an absent key of the map is no error. */
export function isTypedMap(map: object): boolean {
  return typedMaps.has(map);
}

type Json = Record<string, unknown>;

/** Gives a JSON value a Go type; what is absent becomes the zero value. */
export function toGo(value: unknown, type: GoType, types: GoTypes): unknown {
  if (type.startsWith("*")) {
    if (value === null || value === undefined) return new NilPointer(titleOf(type, types));
    return toGo(value, type.slice(1), types);
  }
  if (type.startsWith("[]")) {
    if (!Array.isArray(value)) return NIL_LIST;
    return value.map((item) => toGo(item, type.slice(2), types));
  }
  if (type.startsWith("map:")) {
    if (typeof value !== "object" || value === null) return NIL_MAP;
    const entries = Object.entries(value).map((
      [key, item],
    ) => [key, toGo(item, type.slice(4), types)]);
    const map = Object.fromEntries(entries);
    typedMaps.add(map);
    return map;
  }
  switch (type) {
    case "any":
      return value;
    case "string":
      return value ?? "";
    case "int":
      return value ?? 0;
    case "bool":
      return value ?? false;
    case "time":
      return new Struct("time.Time", NONE, NONE, value, timeText(String(value ?? "")));
    case "duration":
      return new Struct("time.Duration", NONE, NONE, value, durationText(Number(value ?? 0)));
    case "struct{}":
      return new Struct("struct {}", NONE, NONE, {});
  }
  return toStruct((value ?? {}) as Json, type, types);
}

const NONE: ReadonlyMap<string, unknown> = new Map();

function titleOf(type: GoType, types: GoTypes): string {
  const bare = type.replace(/^\*/, "");
  return `*${types[bare]?.title ?? bare}`;
}

function toStruct(json: Json, type: GoType, types: GoTypes): Struct {
  const { title, fields, text } = types[type];
  const own = new Map<string, unknown>();
  const promoted = new Map<string, unknown>();
  for (const [names, fieldType] of Object.entries(fields)) {
    if (names.startsWith("+")) {
      const inner = toGo(json, fieldType, types) as Struct;
      own.set(names.slice(1), inner);
      for (const [name, value] of [...inner.promoted, ...inner.fields]) promoted.set(name, value);
      continue;
    }
    const [name, key = name] = names.split("=");
    own.set(name, toGo(json[key], fieldType, types));
  }
  return new Struct(title, own, promoted, json, text?.(json));
}

/** As time.Time's String(): `2026-01-02 03:04:05.6 +0000 UTC`. */
function timeText(text: string): string {
  const [, day, clock, zone] = /^(\S+)T([\d:.]+)(Z|[+-]\d\d:\d\d)$/.exec(text) ??
    ["", "0001-01-01", "00:00:00", "Z"];
  const trimmed = clock.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
  if (zone === "Z") return `${day} ${trimmed} +0000 UTC`;
  const offset = zone.replace(":", "");
  return `${day} ${trimmed} ${offset} ${offset}`;
}

/** As time.Duration's String(): `1h0m30s`, `1.5s`, `250ms`, `0s`. */
function durationText(nanoseconds: number): string {
  const sign = nanoseconds < 0 ? "-" : "";
  const size = Math.abs(nanoseconds);
  if (size === 0) return "0s";
  const units: [number, string][] = [[1e3, "ns"], [1e6, "µs"], [1e9, "ms"]];
  for (const [limit, unit] of units) {
    if (size < limit) return `${sign}${size / (limit / 1e3)}${unit}`;
  }
  const seconds = size / 1e9;
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const left = Number((seconds % 60).toFixed(9));
  if (hours > 0) return `${sign}${hours}h${minutes}m${left}s`;
  return minutes > 0 ? `${sign}${minutes}m${left}s` : `${sign}${left}s`;
}
