/**
 * What a quick exec (quick_exec.ts) tells of itself: records in a file that whoever writes or reads
 * events next turns into events. No step can format a number.
 *
 * A record, little-endian: u64 kind, u64 bytes of the document, u64 bytes of the words, i64 seconds
 * and i64 nanoseconds since 1970, 32 bytes of id, i64 wait status; the words, each with a 0; the
 * document.
 */
import {
  AT_FDCWD,
  CLOCK_REALTIME,
  LOCK_SH,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_WRONLY,
  SEEK_END,
} from "../../ffi/constants.ts";
import {
  addressIn,
  assign,
  block,
  goTo,
  type Place,
  placeIn,
  slot,
  type Step,
} from "../../ffi/program.ts";

const STARTED = 1, DIED = 2;
const HEAD_BYTES = 5 * 8 + 32 + 8;
/** A file as long as this is first made events of, by the usual way. */
const MOST_BYTES = 256 << 10;

/** Where records go, and what is in each. */
export interface QuickNotes {
  readonly path: string;
  readonly document: string;
}

/** One record. */
export interface QuickNote {
  readonly kind: "started" | "died";
  readonly nanoseconds: bigint;
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** Of wait4(2); 0 unless it died. */
  readonly status: number;
  /** Empty if it died. */
  readonly words: readonly string[];
  readonly document: string;
}

/** Fails where there are so many notes that somebody has to make events of them. */
export function fewNotesSteps({ path }: QuickNotes): Step[] {
  const goal = "look at the notes", file = slot("notes"), size = slot("size");
  return [
    {
      call: "openat",
      args: [AT_FDCWD, path, O_CLOEXEC, 0],
      goal,
      result: file,
      onNegative: "@quick.few notes",
    },
    { call: "lseek", args: [file, 0, SEEK_END], goal, result: size },
    { call: "close", args: [file], goal },
    { call: "subtract", args: [size, MOST_BYTES], goal, onNegative: "next", onPositive: "fail" },
    { ...goTo("next"), label: "quick.few notes" },
  ];
}

/** Steps that note the start and the end. `words`: where they are. Failures are passed over. */
export function noteSteps(
  { path, document }: QuickNotes,
  { words, length, status }: { words: Place; length: Place; status: Place },
): { started: Step[]; died: Step[] } {
  const id = block("exec id", new Uint8Array(32));
  const text = block("document", new TextEncoder().encode(document));
  const note = (kind: number, words: Place | number, length: Place | number): Step[] => {
    const goal = "note what happened";
    const label = `quick.noted${kind}`;
    const file = slot("notes");
    const head = block("head", new Uint8Array(HEAD_BYTES));
    const view = new DataView(head.bytes.buffer);
    view.setBigUint64(0, BigInt(kind), true);
    view.setBigUint64(8, BigInt(text.bytes.length), true);
    const parts = block("parts", new Uint8Array(3 * 16), [
      { offset: 0, to: addressIn(head) },
      { offset: 32, to: addressIn(text) },
    ]);
    const partsView = new DataView(parts.bytes.buffer);
    partsView.setBigUint64(8, BigInt(HEAD_BYTES), true);
    partsView.setBigUint64(40, BigInt(text.bytes.length), true);
    const flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC;
    return [
      {
        call: "openat",
        args: [AT_FDCWD, path, flags, 0o600],
        goal,
        result: file,
        onNegative: `@${label}`,
      },
      { call: "flock", args: [file, LOCK_SH], goal, onNegative: "next" },
      assign(placeIn(head, 16), length),
      { call: "clock_gettime", args: [CLOCK_REALTIME, addressIn(head, 24)], goal },
      ...[0, 8, 16, 24].map((at) => assign(placeIn(head, 40 + at), placeIn(id, at))),
      assign(placeIn(head, 72), status),
      assign(placeIn(parts, 16), words),
      assign(placeIn(parts, 24), length),
      { call: "writev", args: [file, addressIn(parts), 3], goal, onNegative: "next" },
      { call: "close", args: [file], goal, label, onNegative: "next" },
    ];
  };
  const random: Step = { call: "getrandom", args: [addressIn(id), 32, 0], goal: "choose an id" };
  return { started: [random, ...note(STARTED, words, length)], died: note(DIED, 0, 0) };
}

/** The records in a file; one that was cut off, and what follows it, is left out. Pure. */
export function parseNotes(bytes: Uint8Array): QuickNote[] {
  const notes: QuickNote[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const decoder = new TextDecoder();
  for (let at = 0; at + HEAD_BYTES <= bytes.length;) {
    const number = (offset: number) => Number(view.getBigInt64(at + offset, true));
    const [kind, documentLength, wordsLength] = [number(0), number(8), number(16)];
    const wordsAt = at + HEAD_BYTES, documentAt = wordsAt + wordsLength;
    const end = documentAt + documentLength;
    if (![STARTED, DIED].includes(kind) || !(wordsLength >= 0 && end >= documentAt)) break;
    if (end > bytes.length) break;
    const words = decoder.decode(bytes.subarray(wordsAt, documentAt));
    notes.push({
      kind: kind === STARTED ? "started" : "died",
      nanoseconds: view.getBigInt64(at + 24, true) * 1_000_000_000n +
        view.getBigInt64(at + 32, true),
      id: bytes.slice(at + 40, at + 72).toHex(),
      status: number(72),
      words: words === "" ? [] : words.slice(0, -1).split("\0"),
      document: decoder.decode(bytes.subarray(documentAt, end)),
    });
    at = end;
  }
  return notes;
}
