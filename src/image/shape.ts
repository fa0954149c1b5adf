/**
 * Shapes of JSON from outside, as Go's readers have them: a field is of its type, `null` or
 * absent; unknown fields are nobody's business.
 */

/** Undefined: it fits. Otherwise where it does not and what was wanted: ".Env[0]: want text". */
export type Shape = (value: unknown) => string | undefined;

export const text: Shape = (value) => typeof value === "string" ? undefined : ": want text";
export const number: Shape = (value) => typeof value === "number" ? undefined : ": want a number";
export const truth: Shape = (value) =>
  typeof value === "boolean" ? undefined : ": want true or false";

/** A time as RFC 3339 writes it. */
export const time: Shape = (value) => {
  const isTime = typeof value === "string" &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(value) &&
    !Number.isNaN(Date.parse(value));
  return isTime ? undefined : ": want a time";
};

/** A list, each of whose parts has the shape. */
export function list(part: Shape): Shape {
  return (value) => {
    if (!Array.isArray(value)) return ": want a list";
    for (const [i, one] of value.entries()) {
      const wrong = part(one);
      if (wrong !== undefined) return `[${i}]${wrong}`;
    }
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An object, each of whose values has the shape. */
export function map(part: Shape): Shape {
  return (value) => {
    if (!isObject(value)) return ": want an object";
    for (const [key, one] of Object.entries(value)) {
      const wrong = part(one);
      if (wrong !== undefined) return `.${key.slice(0, 60)}${wrong}`;
    }
  };
}

/** An object with these fields, each of which may be absent or `null`. */
export function fields(shapes: Record<string, Shape>): Shape {
  return (value) => {
    if (!isObject(value)) return ": want an object";
    for (const [key, shape] of Object.entries(shapes)) {
      const one = Object.hasOwn(value, key) ? value[key] : undefined;
      const wrong = one === undefined || one === null ? undefined : shape(one);
      if (wrong !== undefined) return `.${key}${wrong}`;
    }
  };
}
