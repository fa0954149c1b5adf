/** `--chmod`: octal, or chmod(1)'s words. */
import { UserError } from "../base/errors.ts";

/** What becomes of a mode. */
export type ChangeMode = (mode: number, isDirectory: boolean) => number;

const WHO: Record<string, number> = { u: 6, g: 3, o: 0 };
const RIGHTS: Record<string, number> = { r: 4, w: 2, x: 1 };

/** Reads "755", "u+x", "u=rwX,go=rX". Throws UserError. */
export function fileMode(text: string): ChangeMode {
  if (/^[0-7]{1,5}$/.test(text) && parseInt(text, 8) <= 0o7777) {
    const mode = parseInt(text, 8);
    return () => mode;
  }
  const clauses = text.split(",").map((clause) => clauseOf(clause, text));
  return (mode, isDirectory) =>
    clauses.reduce((before, change) => change(before, isDirectory), mode);
}

function clauseOf(clause: string, text: string): ChangeMode {
  const match = /^([ugoa]*)([-+=])([rwxXst]*|[ugo])$/.exec(clause);
  if (match === null) throw new UserError(`invalid chmod parameter: '${text}'`);
  const [, who, operator, rights] = match;
  const shifts = [...(who === "" || who.includes("a") ? "ugo" : who)].map((one) => WHO[one]);
  const everybody = who === "" || who.includes("a");
  return (mode, isDirectory) => {
    let bits = 0;
    let touched = 0;
    for (const shift of shifts) {
      bits |= rightsOf(rights, mode, isDirectory) << shift;
      touched |= 7 << shift;
    }
    const user = everybody || who.includes("u"), group = everybody || who.includes("g");
    if (rights.includes("s")) bits |= (user ? 0o4000 : 0) | (group ? 0o2000 : 0);
    if (rights.includes("t")) bits |= 0o1000;
    if (operator === "+") return mode | bits;
    if (operator === "-") return mode & ~bits;
    return mode & ~touched | bits;
  };
}

/** The three bits that a clause's letters mean. */
function rightsOf(rights: string, mode: number, isDirectory: boolean): number {
  if (rights.length === 1 && rights in WHO) return mode >> WHO[rights] & 7;
  let bits = 0;
  for (const right of rights) {
    bits |= RIGHTS[right] ?? 0;
    if (right === "X" && (isDirectory || (mode & 0o111) !== 0)) bits |= 1;
  }
  return bits;
}
