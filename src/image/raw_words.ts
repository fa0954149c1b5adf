/** How the rest of an instruction is cut into words, quotes and escapes kept. */

/** Words separated by white space; what is quoted or escaped stays together, and as it is. */
export function rawWords(text: string, escape: string): string[] {
  const list: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (quote === "" && /\s/.test(char)) {
      if (word !== undefined) list.push(word);
      word = undefined;
      continue;
    }
    word = (word ?? "") + char;
    if (char === escape && quote !== "'" && i + 1 < text.length) word += text[++i];
    else if (quote === char) quote = "";
    else if (quote === "" && (char === "'" || char === '"')) quote = char;
  }
  if (word !== undefined) list.push(word);
  return list;
}

/** A word without its quotes and escapes; nothing is expanded. */
export function unquote(word: string, escape: string): string {
  let out = "";
  let quote = "";
  for (let i = 0; i < word.length; i++) {
    const char = word[i];
    if (char === escape && quote !== "'" && i + 1 < word.length) out += word[++i];
    else if (quote === char) quote = "";
    else if (quote === "" && (char === "'" || char === '"')) quote = char;
    else out += char;
  }
  return out;
}
