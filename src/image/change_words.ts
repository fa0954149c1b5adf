/** Words of a Dockerfile instruction: blanks part them, quotes and backslashes keep blanks. */

/** Splits a line. An unclosed quote ends with the line, as docker has it. */
export function words(line: string): string[] {
  const list: string[] = [];
  let word = "";
  let started = false;
  let quote = "";
  for (let i = 0; i < line.length; i++) {
    const char = line[i];
    if (quote === "'" ? char === "'" : quote === '"' && char === '"') {
      quote = "";
    } else if (char === "\\" && quote !== "'" && i + 1 < line.length) {
      // Inside double quotes only these are escaped; elsewhere any character is.
      const next = line[++i];
      word += quote === '"' && !'"\\$'.includes(next) ? char + next : next;
      started = true;
    } else if (quote === "" && (char === '"' || char === "'")) {
      quote = char;
      started = true;
    } else if (quote === "" && /\s/.test(char)) {
      if (started) list.push(word);
      word = "";
      started = false;
    } else {
      word += char;
      started = true;
    }
  }
  if (started) list.push(word);
  return list;
}
