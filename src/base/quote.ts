const SHORT: Record<string, string> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
};

/** Whether Go's strconv.IsPrint says yes: letters, marks, numbers, punctuation, symbols, space. */
export function isPrintable(character: string): boolean {
  return character === " " || /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(character);
}

function escape(character: string, mark: string): string {
  if (character === mark) return "\\" + mark;
  const short = SHORT[character];
  if (short !== undefined) return short;
  if (isPrintable(character)) return character;
  const code = character.codePointAt(0)!;
  if (code < 0x80) return "\\x" + code.toString(16).padStart(2, "0");
  if (code < 0x10000) return "\\u" + code.toString(16).padStart(4, "0");
  return "\\U" + code.toString(16).padStart(8, "0");
}

/**
 * `text` as Go's %q prints a string. Error texts are compared by scripts, so this is not
 * JSON.stringify: Go writes \x01 and \a where JSON writes \u0001 and \u0007.
 */
export function quoteGo(text: string): string {
  return '"' + Array.from(text, (character) => escape(character, '"')).join("") + '"';
}

/** One character as Go's %q prints a rune. */
export function quoteRune(character: string): string {
  return "'" + escape(character, "'") + "'";
}
