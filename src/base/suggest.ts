/** Number of letters to insert, drop, change or swap with their neighbour to get from a to b. */
export function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j], before[j - 2] + 1);
      }
    }
    [before, last] = [last, row];
  }
  return last[b.length];
}

/**
 * The names that `typed` may have been meant to be, best first, at most three: at most two
 * letters away (one for words of up to three letters), or beginning with what was typed.
 */
export function suggest(typed: string, names: Iterable<string>): string[] {
  const word = typed.toLowerCase();
  if (word === "") return [];
  const limit = word.length <= 3 ? 1 : 2;
  const scored: [score: number, name: string][] = [];
  for (const name of names) {
    const away = distance(word, name.toLowerCase());
    if (away <= limit && away < name.length) scored.push([away, name]);
    else if (word.length > 1 && name.startsWith(word)) {
      scored.push([word.length > 2 ? 1 : limit + 1, name]);
    }
  }
  scored.sort(([a, x], [b, y]) => a - b || (x < y ? -1 : 1));
  return scored.slice(0, 3).map(([, name]) => name);
}

/** A line that asks for them, with an empty line behind it; "" when nothing is alike. */
export function didYouMean(typed: string, names: Iterable<string>, prefix = ""): string {
  const found = suggest(typed, names).map((name) => `'${prefix}${name}'`);
  if (found.length === 0) return "";
  const last = found.pop()!;
  return `Did you mean ${found.length > 0 ? `${found.join(", ")} or ` : ""}${last}?\n\n`;
}
