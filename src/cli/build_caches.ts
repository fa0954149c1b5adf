/** `--cache-from` and `--cache-to`. Source: docker buildx build, "Cache storage backends". */
import { UserError } from "../base/errors.ts";
import type { CacheMode, CacheSource, CacheTarget, CacheWish } from "../build/cache_wish.ts";
import {
  BadNameError,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../image/reference.ts";
import { parseCsvRecord } from "./flags/units.ts";

type Fields = ReadonlyMap<string, string>;

/** Places that others' services have: a script goes on without them. */
const ELSEWHERE = ["gha", "s3", "azblob"];

/** What is so here anyway; another value is told to change nothing. */
const FIXED: Record<string, string> = {
  compression: "gzip",
  "force-compression": "true",
  "image-manifest": "true",
  "oci-mediatypes": "true",
};

/** Keys beside those. */
const FROM_KEYS: Record<string, readonly string[]> = {
  registry: ["ref"],
  local: ["src", "tag", "digest"],
};
const TO_KEYS: Record<string, readonly string[]> = {
  registry: ["ref", "mode", "ignore-error"],
  local: ["dest", "tag", "mode", "ignore-error"],
  inline: [],
};

/** Reads both flags; and what is to be said of them. Throws UserError. */
export function parseCaches(
  fromTexts: readonly string[],
  toTexts: readonly string[],
): { cache: CacheWish; warnings: string[] } {
  const warnings: string[] = [];
  const read = (flag: string, texts: readonly string[], keys: typeof FROM_KEYS) =>
    texts.flatMap(fieldsOf).flatMap((fields) => {
      const type = fields.get("type")!;
      if (ELSEWHERE.includes(type)) {
        const want = Object.keys(keys).map((one) => `type=${one}`).join(" or ");
        warnings.push(`${flag} type=${type} is ignored: want ${want}`);
        return [];
      }
      checkKeys(flag, type, fields, keys);
      const idle = [...fields].filter(([key, value]) => (FIXED[key] ?? value) !== value);
      warnings.push(
        ...idle.map(([key, value]) => `${flag} ${key}=${value} is ignored: it is ${FIXED[key]}`),
      );
      return [fields];
    });
  const to = read("--cache-to", toTexts, TO_KEYS);
  return {
    cache: {
      from: read("--cache-from", fromTexts, FROM_KEYS).map(sourceOf),
      to: to.filter((fields) => fields.get("type") !== "inline").map(targetOf),
      isInline: to.some((fields) => fields.get("type") === "inline"),
    },
    warnings,
  };
}

/** The key=value pairs of a text; several references alone are one each. */
function fieldsOf(text: string): Fields[] {
  const parts = parseCsvRecord(text);
  if (parts.every((part) => !part.includes("="))) {
    return parts.map((ref) => new Map([["type", "registry"], ["ref", ref]]));
  }
  const fields = new Map(parts.map((part): [string, string] => {
    const equals = part.indexOf("=");
    if (equals < 0) throw new UserError(`invalid value ${part}`);
    return [part.slice(0, equals).toLowerCase(), part.slice(equals + 1)];
  }));
  if (!fields.has("type")) throw new UserError(`type required form> ${JSON.stringify(text)}`);
  return [fields];
}

function checkKeys(
  flag: string,
  type: string,
  fields: Fields,
  keys: Readonly<Record<string, readonly string[]>>,
): void {
  if (!Object.hasOwn(keys, type)) {
    const want = Object.keys(keys).join(", ");
    throw new UserError(`${flag}: unknown cache type "${type}": want ${want}`);
  }
  const known = [...keys[type], ...Object.keys(FIXED)];
  for (const key of fields.keys()) {
    if (key === "type" || known.includes(key)) continue;
    throw new UserError(`${flag} type=${type} has no key "${key}": want ${keys[type].join(", ")}`);
  }
}

function sourceOf(fields: Fields): CacheSource {
  if (fields.get("type") === "registry") return { type: "registry", reference: reference(fields) };
  const tag = fields.get("tag"), digest = fields.get("digest");
  const path = needed(fields, "src");
  return { type: "local", place: { path, ...(digest ? { digest } : { tag: tag || "latest" }) } };
}

function targetOf(fields: Fields): CacheTarget {
  const mode = fields.get("mode") ?? "min";
  if (mode !== "min" && mode !== "max") {
    throw new UserError(`--cache-to: unknown mode "${mode}": want min or max`);
  }
  return {
    place: fields.get("type") === "registry"
      ? { type: "registry", reference: reference(fields) }
      : { type: "local", path: needed(fields, "dest"), tag: fields.get("tag") || "latest" },
    mode: mode satisfies CacheMode,
    isOptional: /^(?:1|t|true)$/i.test(fields.get("ignore-error") ?? ""),
  };
}

function needed(fields: Fields, key: string): string {
  const value = fields.get(key);
  if (value) return value;
  throw new UserError(`cache of type=${fields.get("type")} needs ${key}=`);
}

function reference(fields: Fields): Reference {
  const text = needed(fields, "ref");
  try {
    return withDefaultTag(parseReference(text));
  } catch (error) {
    if (!(error instanceof BadNameError)) throw error;
    throw new UserError(`invalid cache reference "${text}": ${error.message}`);
  }
}
