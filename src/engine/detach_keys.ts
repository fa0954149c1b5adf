/** `--detach-keys`: the keys that leave a container's terminal without ending it. */
import { UserError } from "../base/errors.ts";

/** docker's default, ctrl-p ctrl-q. */
const DEFAULT_DETACH_KEYS = "ctrl-p,ctrl-q";

const CONTROL = "@abcdefghijklmnopqrstuvwxyz[\\]^_";

/**
 * The bytes of "ctrl-x,x": letters, DEL, or ctrl- and one of @ a-z [ \ ] ^ _. Throws UserError,
 * exit code 1, with docker's text.
 */
export function parseDetachKeys(text: string): number[] {
  return (text === "" ? DEFAULT_DETACH_KEYS : text).split(",").map((key) => {
    const bytes = new TextEncoder().encode(key);
    if (bytes.length === 1) return bytes[0];
    const code = key.length === 6 && key.startsWith("ctrl-") ? CONTROL.indexOf(key[5]) : -1;
    if (code >= 0) return code;
    if (key === "DEL") return 127;
    throw new UserError(`invalid detach keys (${text}): Unknown character: '${key}'`);
  });
}

/**
 * Finds the keys in typed bytes (no keys: everything passes). Bytes that may be the start of the
 * sequence are held back until it is known that they are not.
 */
export class DetachFilter {
  #matched = 0;
  constructor(private readonly keys: readonly number[]) {}

  /** What to pass on, and whether the keys were typed (what follows them is dropped). */
  push(typed: Uint8Array<ArrayBuffer>): { pass: Uint8Array<ArrayBuffer>; detach: boolean } {
    if (this.#matched === 0 && !typed.includes(this.keys[0])) return { pass: typed, detach: false };
    const pass: number[] = [];
    for (const byte of typed) {
      if (byte !== this.keys[this.#matched]) {
        pass.push(...this.keys.slice(0, this.#matched));
        this.#matched = 0;
      }
      if (byte !== this.keys[this.#matched]) pass.push(byte);
      else if (++this.#matched === this.keys.length) {
        return { pass: Uint8Array.from(pass), detach: true };
      }
    }
    return { pass: Uint8Array.from(pass), detach: false };
  }
}
