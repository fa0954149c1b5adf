/**
 * The assertions of the tests under the names of @std/assert, on top of node:assert.
 * JSR cannot be reached from every build machine; `"@std/assert": "jsr:@std/assert@1"` in
 * deno.json replaces this file where it can.
 */
import nodeAssert from "node:assert/strict";

/** Throws unless `condition` is truthy. */
export function assert(condition: unknown, message?: string): asserts condition {
  nodeAssert.ok(condition, message ?? "assertion failed");
}

/** Throws unless both are deeply equal (prototypes and types count). */
export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  nodeAssert.deepStrictEqual(actual, expected, message);
}

/** Throws if both are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, message?: string): void {
  nodeAssert.notDeepStrictEqual(actual, expected, message);
}

/** Throws unless `text` matches `pattern`; the message shows the text. */
export function assertMatch(text: string, pattern: RegExp, message?: string): void {
  nodeAssert.match(text, pattern, message);
}

/** Throws unless `text` contains `part`. */
export function assertStringIncludes(text: string, part: string, message?: string): void {
  nodeAssert.ok(
    text.includes(part),
    message ?? `expected ${JSON.stringify(text)} to include ${JSON.stringify(part)}`,
  );
}

// deno-lint-ignore no-explicit-any -- a class with whatever constructor
type ErrorClass<E extends Error> = new (...args: any[]) => E;

function expectError<E extends Error>(
  caught: unknown,
  type: ErrorClass<E> | undefined,
  includes: string | undefined,
): E {
  nodeAssert.ok(caught instanceof Error, `expected an Error to be thrown, got ${String(caught)}`);
  if (type !== undefined) {
    nodeAssert.ok(caught instanceof type, `expected ${type.name}, got ${caught.stack}`);
  }
  if (includes !== undefined) assertStringIncludes(caught.message, includes);
  return caught as E;
}

/** Runs `body`, which must throw a `type` whose message includes `includes`; returns the error. */
export function assertThrows<E extends Error = Error>(
  body: () => unknown,
  type?: ErrorClass<E>,
  includes?: string,
): E {
  let caught: unknown;
  try {
    body();
  } catch (error) {
    caught = error;
  }
  return expectError(caught, type, includes);
}

/** The same for a promise. */
export async function assertRejects<E extends Error = Error>(
  body: () => Promise<unknown>,
  type?: ErrorClass<E>,
  includes?: string,
): Promise<E> {
  let caught: unknown;
  try {
    await body();
  } catch (error) {
    caught = error;
  }
  return expectError(caught, type, includes);
}
