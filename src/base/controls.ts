/**
 * Text of others on the user's terminal: names, labels, commands and paths come from images and
 * registries, which must not move the cursor, set the title, or turn the direction of a line.
 */

// deno-lint-ignore no-control-regex -- these are the ones to show
const CONTROLS = /[\x00-\x1f\x7f\u0080-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const PLAIN = /^[\x20-\x7e]*$/;
/** Line breaks and tabs may stay; "\r" only as part of a line break: alone it hides what was before. */
const LINE_ENDS = /\r?\n|\t/g;

/** Makes control characters visible (`\x1b`), and those that turn the direction of text. */
export function escapeControls(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.replace(CONTROLS, (c) => {
    const code = c.charCodeAt(0);
    const hex = code.toString(16);
    return code < 0x100 ? "\\x" + hex.padStart(2, "0") : "\\u" + hex.padStart(4, "0");
  });
}

/** The same for a text of several lines. */
export function escapeLines(text: string): string {
  if (PLAIN.test(text)) return text;
  let escaped = "", from = 0;
  for (const { index, 0: end } of text.matchAll(LINE_ENDS)) {
    escaped += escapeControls(text.slice(from, index)) + end;
    from = index + end.length;
  }
  return escaped + escapeControls(text.slice(from));
}

/**
 * Makes console.error() show control characters, and console.log() where stdout is a terminal: a
 * script gets what is stored, byte by byte. What containers themselves write goes other ways.
 */
export function guardConsole(): void {
  const guarded = (write: (text: string) => void) => (...words: unknown[]) =>
    write(escapeLines(words.join(" ")));
  console.error = guarded(console.error);
  if (Deno.stdout.isTerminal()) console.log = guarded(console.log);
}
