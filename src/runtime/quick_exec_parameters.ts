/** What the head of our executable tells the program of a quick exec, and how it finds the place. */
import { StructWriter } from "../../ffi/bytes.ts";
import { executable } from "../../ffi/elf.ts";
import { addressIn, block, placeIn, type Program } from "../../ffi/program.ts";

/** The head knows this edition of the parameters. */
const EDITION = "ddexec01";
/** The head's room for all of it. */
const PARAMETER_BYTES = 8192;
const PARAMETER_BLOCK = block("parameters", new Uint8Array(PARAMETER_BYTES));

/** What build/stub_x86_64.s writes: numbers of eight bytes, addresses, texts. */
export const PARAMETERS = {
  block: PARAMETER_BLOCK,
  /** 1: the command reads what we are given. */
  isInteractive: placeIn(PARAMETER_BLOCK, 0),
  /** 1: the command is a path, and not looked for. */
  isPath: placeIn(PARAMETER_BLOCK, 8),
  /** Bytes of all words, each with its 0. */
  wordsLength: placeIn(PARAMETER_BLOCK, 16),
  /** The descriptor that gets a byte before the command is started, and one more if it was not. */
  pipe: placeIn(PARAMETER_BLOCK, 24),
  /** Bytes of the first word with its 0. */
  nameLength: placeIn(PARAMETER_BLOCK, 32),
  /** The words' addresses, up to a 0. */
  argv: addressIn(PARAMETER_BLOCK, 40),
  /** The address of the first word, which the others follow. */
  words: placeIn(PARAMETER_BLOCK, 40),
} as const;

/**
 * The executable of a program that uses parameters, and behind it the edition, their address and
 * their place in the file. Pure.
 */
export function withParameters(program: Program): Uint8Array<ArrayBuffer> {
  const { bytes, encoded, offsetOf } = executable(program, "x86_64");
  const at = encoded.addressOf(PARAMETER_BLOCK);
  const file = new Uint8Array(bytes.length + EDITION.length + 16);
  file.set(bytes);
  file.set(new TextEncoder().encode(EDITION), bytes.length);
  file.set(new StructWriter(16).u64(at).u64(offsetOf(at)).done(), bytes.length + EDITION.length);
  return file;
}
