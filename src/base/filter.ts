import { UserError } from "./errors.ts";
import { parseMoment } from "./time.ts";

/** Values of each `--filter` key, in the order in which they were given. */
export type Filters = ReadonlyMap<string, readonly string[]>;

/**
 * Checks one `--filter` value, for the flag table. Keys are lower-cased and blanks around key
 * and value fall away, as in docker. Throws an Error with docker's text.
 */
export function parseFilter(text: string): [key: string, value: string] {
  const equals = text.indexOf("=");
  if (equals < 0) throw new Error("bad format of filter (expected name=value)");
  return [text.slice(0, equals).trim().toLowerCase(), text.slice(equals + 1).trim()];
}

/** The error of a value that a key does not take, in docker's words. */
export function invalidFilter(key: string, value: string): UserError {
  return new UserError(`invalid filter '${key}=${value}'`);
}

/** Collects parsed filters. Throws the error of a key that is not in `known`, if that is given. */
export function collectFilters(
  pairs: readonly (readonly [string, string])[],
  known?: readonly string[],
): Filters {
  const filters = new Map<string, string[]>();
  for (const [key, value] of pairs) {
    if (known !== undefined && !known.includes(key)) {
      throw new UserError(`invalid filter '${key}'`);
    }
    const values = filters.get(key);
    if (values === undefined) filters.set(key, [value]);
    else if (!values.includes(value)) values.push(value);
  }
  return filters;
}

/** Values of one key are alternatives; a key that was not given lets everything through. */
export function matchAny(
  filters: Filters,
  key: string,
  test: (value: string) => boolean,
): boolean {
  const values = filters.get(key);
  return values === undefined || values.some(test);
}

/** `label` values must all hold: `k` wants the label, `k=v` its value as well. */
export function matchLabels(
  filters: Filters,
  labels: Readonly<Record<string, string>> | null | undefined,
  key = "label",
): boolean {
  return (filters.get(key) ?? []).every((want) => hasLabel(labels ?? {}, want));
}

/** `label!` values: none of them may hold. */
export function matchNoLabels(
  filters: Filters,
  labels: Readonly<Record<string, string>> | null | undefined,
): boolean {
  return (filters.get("label!") ?? []).every((want) => !hasLabel(labels ?? {}, want));
}

function hasLabel(labels: Readonly<Record<string, string>>, want: string): boolean {
  const equals = want.indexOf("=");
  const name = equals < 0 ? want : want.slice(0, equals);
  if (!Object.hasOwn(labels, name)) return false;
  return equals < 0 || labels[name] === want.slice(equals + 1);
}

/**
 * Whether a name matches `name=`: the value is a regular expression that may match anywhere,
 * tried with and without the leading slash. A value that is no expression is a plain text.
 */
export function matchName(filters: Filters, names: readonly string[], key = "name"): boolean {
  return matchAny(filters, key, (value) =>
    names.some((name) => {
      const bare = name.replace(/^\//, "");
      if (value === bare || value === `/${bare}`) return true;
      const pattern = expression(value);
      if (pattern === undefined) return bare.includes(value);
      return pattern.test(bare) || pattern.test(`/${bare}`);
    }));
}

function expression(value: string): RegExp | undefined {
  try {
    return new RegExp(value);
  } catch {
    return undefined;
  }
}

/** One of `true`, `false`, `1`, `0` for keys such as `dangling`; undefined when not given. */
export function booleanFilter(filters: Filters, key: string): boolean | undefined {
  const values = filters.get(key);
  if (values === undefined) return undefined;
  const parsed = new Set(values.map((value) => {
    if (value === "1" || value === "true") return true;
    if (value === "0" || value === "false") return false;
    throw invalidFilter(key, `[${values.join(" ")}]`);
  }));
  if (parsed.size > 1) throw invalidFilter(key, `[${values.join(" ")}]`);
  return parsed.has(true);
}

/** Whether labels pass both the `label` and the `label!` filters, as all prune commands ask. */
export function passesLabels(
  filters: Filters,
  labels: Parameters<typeof matchLabels>[1],
): boolean {
  return matchLabels(filters, labels) && matchNoLabels(filters, labels);
}

/** The moments of `until`, in milliseconds since 1970. Throws UserError for what is none. */
export function untilMillis(filters: Filters): number[] {
  return (filters.get("until") ?? []).map((text) => {
    try {
      return Number(parseMoment(text) / 1_000_000n);
    } catch (error) {
      throw new UserError((error as Error).message);
    }
  });
}
