/**
 * Fuzzing: many rounds of made-up input, each from a seed of its own, so that one number brings a
 * failure back. A file under tests/fuzz names what it feeds, how input is made and what may come
 * of it; `./build.sh test fuzz` runs each test's own few rounds, `deno task fuzz` many more.
 *
 * DIPLODOCK_FUZZ_ROUNDS is the number of rounds instead of the test's own, DIPLODOCK_FUZZ_SEED
 * the seed of the first round (each further one has the next number).
 */
import { below, pick, type Random, seeded } from "./random.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** One thing to fuzz. */
export interface Fuzzed<Input> {
  /** A sentence, as any test's name. */
  name: string;
  /** Rounds in an ordinary test run: about a second. */
  rounds: number;
  make: (random: Random) => Input;
  /** Throws if the input brought out a fault. An error that is the right answer it catches. */
  check: (input: Input) => void | Promise<void>;
  /** What Deno.test is to know beside: `skipUnless(…)`. */
  options?: { ignore?: boolean };
  /** A round that takes longer is a fault of its own: input must not make work grow out of hand. */
  limitMs?: number;
}

/** A round that takes this long hangs, even on a busy machine. */
const LIMIT_MS = 10_000;

function numberFrom(variable: string): number | undefined {
  const text = Deno.env.get(variable);
  if (text === undefined || text === "") return undefined;
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`${variable} is "${text}"`);
  return number;
}

/** Registers the test. A failure names the seed of its round and shows the input. */
export function fuzzTest<Input>(fuzzed: Fuzzed<Input>): void {
  const first = numberFrom("DIPLODOCK_FUZZ_SEED") ?? 1;
  const rounds = numberFrom("DIPLODOCK_FUZZ_ROUNDS") ?? fuzzed.rounds;
  Deno.test({
    name: fuzzed.name,
    ...fuzzed.options,
    fn: async () => {
      for (let seed = first; seed < first + rounds; seed++) await oneRound(fuzzed, seed);
    },
  });
}

async function oneRound<Input>(fuzzed: Fuzzed<Input>, seed: number): Promise<void> {
  const input = fuzzed.make(seeded(seed));
  const start = performance.now();
  try {
    await fuzzed.check(input);
  } catch (error) {
    throw new Error(report(fuzzed.name, seed, input), { cause: error });
  }
  const tookMs = performance.now() - start;
  if (tookMs > (fuzzed.limitMs ?? LIMIT_MS)) {
    throw new Error(`it took ${Math.round(tookMs)} ms\n${report(fuzzed.name, seed, input)}`);
  }
}

function report(name: string, seed: number, input: unknown): string {
  const again = "DIPLODOCK_FUZZ_ROUNDS=1 DIPLODOCK_FUZZ_SEED=" + seed;
  return `"${name}" failed; again with ${again}\ninput: ${shown(input)}`;
}

/** The input for the eye, or the file it was written to if it is long. */
function shown(input: unknown): string {
  if (input instanceof Uint8Array) {
    const text = input.toBase64();
    if (text.length <= 4000) return `base64 ${text}`;
    const path = Deno.makeTempFileSync({ prefix: "diplodock-fuzz-" });
    Deno.writeFileSync(path, input);
    return `${input.length} bytes, in ${path}`;
  }
  const text = typeof input === "string" ? JSON.stringify(input) : Deno.inspect(input, {
    depth: 20,
    strAbbreviateSize: 1000,
    iterableLimit: 1000,
  });
  return text.length <= 20_000 ? text : `${text.slice(0, 20_000)}… (${text.length} characters)`;
}

/** Bytes that parsers take for something: ends, digits, brackets, signs. */
const TELLING = Array.from(`\0\n\r\t "#%&'()*+,-./019:;<=>?@[\\]^{|}~\x7f\x80\xff`)
  .map((char) => char.charCodeAt(0));

/** Damages bytes in one to eight places: changes, cuts, doubles and drops. */
export function mutateBytes(random: Random, whole: Uint8Array): Bytes {
  let bytes: Bytes = new Uint8Array(whole);
  for (let i = below(random, 8); i >= 0; i--) bytes = mutateOnce(random, bytes);
  return bytes;
}

function mutateOnce(random: Random, bytes: Bytes): Bytes {
  const at = below(random, bytes.length + 1);
  const count = 1 + below(random, pick(random, [1, 4, 16, 512, 2000]));
  switch (below(random, 8)) {
    case 0: // another byte
      if (at < bytes.length) bytes[at] = below(random, 256);
      return bytes;
    case 1: // a byte that means something
      if (at < bytes.length) bytes[at] = pick(random, TELLING);
      return bytes;
    case 2: // one bit
      if (at < bytes.length) bytes[at] ^= 1 << below(random, 8);
      return bytes;
    case 3: // cut off
      return random() < 0.3 ? bytes.slice(0, at) : bytes;
    case 4: // a piece gone
      return joined(bytes.subarray(0, at), bytes.subarray(at + count));
    case 5: // a piece twice
      return joined(bytes.subarray(0, at + count), bytes.subarray(at));
    case 6: { // a piece from elsewhere
      const from = below(random, bytes.length + 1);
      bytes.set(bytes.slice(from, from + Math.min(count, bytes.length - at)), at);
      return bytes;
    }
    default: // one byte many times
      bytes.fill(pick(random, TELLING), at, at + count);
      return bytes;
  }
}

function joined(one: Uint8Array, two: Uint8Array): Bytes {
  const all = new Uint8Array(one.length + two.length);
  all.set(one);
  all.set(two, one.length);
  return all;
}

/** Damages text in one to eight places; the result is text again. */
export function mutateText(random: Random, text: string): string {
  return new TextDecoder().decode(mutateBytes(random, new TextEncoder().encode(text)));
}

/** A value as JSON has it. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Values that a reader of JSON may not have thought of. */
const ODD: readonly (() => Json)[] = [
  () => null,
  () => true,
  () => false,
  () => 0,
  () => -1,
  () => 0.5,
  () => 2 ** 31,
  () => 2 ** 53,
  () => -(2 ** 63),
  () => 1e308,
  () => "",
  () => "\0",
  () => "..",
  () => "../../../etc/passwd",
  () => "/",
  () => "x".repeat(5000),
  () => "\ud800",
  () => "ünï\u202e",
  () => "%s%n{{.}}$(id)",
  () => "__proto__",
  () => [],
  () => [[]],
  () => [null],
  () => Array.from({ length: 1000 }, (_, i) => i),
  () => ({}),
  () => JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1, "toString": null}'),
];

/** A copy of the value with one to four places changed to something unexpected. */
export function mutateJson(random: Random, value: Json): Json {
  let changed = structuredClone(value);
  for (let i = below(random, 4); i >= 0; i--) changed = changeSomewhere(random, changed);
  return changed;
}

function changeSomewhere(random: Random, value: Json): Json {
  const isParent = typeof value === "object" && value !== null;
  const keys = isParent ? Object.keys(value) : [];
  if (keys.length === 0 || random() < 0.1) return oddInstead(random, value);
  const parent = value as { [key: string]: Json };
  const key = pick(random, keys);
  const kind = random();
  if (kind < 0.1) {
    if (Array.isArray(value)) value.splice(Number(key), 1);
    else delete parent[key];
  } else if (kind < 0.2) {
    if (Array.isArray(value)) value.push(structuredClone(pick(random, value)));
    else parent[pick(random, [...keys, key.toUpperCase(), `${key} `, "toString"])] = parent[key];
  } else parent[key] = changeSomewhere(random, parent[key]);
  return value;
}

function oddInstead(random: Random, value: Json): Json {
  if (typeof value === "string" && random() < 0.4) return mutateText(random, value);
  if (typeof value === "number" && random() < 0.4) return value + pick(random, [-1, 1, 1e6, -1e9]);
  return pick(random, ODD)();
}
