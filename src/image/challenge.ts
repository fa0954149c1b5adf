/** WWW-Authenticate: how a registry wants to be asked. Source: RFC 9110, 11.6.1. */

/** One challenge. */
export interface Challenge {
  /** Lower case: "bearer", "basic". */
  scheme: string;
  parameters: Record<string, string>;
}

/** Reads the header; broken parts are left out. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  const token = /^[\s,]*([A-Za-z0-9!#$%&'*+.^_`|~-]+)/;
  let rest = header;
  for (;;) {
    const name = token.exec(rest);
    if (name === null) return challenges;
    rest = rest.slice(name[0].length);
    const value = /^\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/.exec(rest);
    if (value === null) {
      challenges.push({ scheme: name[1].toLowerCase(), parameters: {} });
      continue;
    }
    rest = rest.slice(value[0].length);
    const text = value[1]?.replace(/\\(.)/g, "$1") ?? value[2];
    const last = challenges.at(-1);
    if (last !== undefined) last.parameters[name[1].toLowerCase()] = text;
  }
}
