/**
 * The lines of a Dockerfile as instructions: directives, comments, continuation lines, heredocs.
 * What an instruction's words mean is instruction.ts's. Source: Dockerfile reference, "Format",
 * "Parser directives", "Here-Documents".
 */
import { UserError } from "../base/errors.ts";
import { type Heredoc, heredocsOf } from "./heredoc.ts";

/** One instruction as it stands in the file. */
export interface Line {
  /** In capitals. */
  readonly name: string;
  /** What follows the name, lines joined. */
  readonly rest: string;
  readonly heredocs: readonly Heredoc[];
  /** First and last line of the file, from 1 on. */
  readonly first: number;
  readonly last: number;
}

/** A Dockerfile's lines, and what its directives say. */
export interface Dockerfile {
  readonly lines: readonly Line[];
  readonly escape: "\\" | "`";
}

/** What is wrong with a Dockerfile, and where. */
export class DockerfileError extends UserError {
  override name = "DockerfileError";
  constructor(message: string, readonly first?: number, readonly last = first) {
    super(first === undefined ? message : `dockerfile parse error on line ${first}: ${message}`);
  }
}

const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const DIRECTIVES = ["escape", "syntax", "check"];

/** Instructions that may have heredocs. */
const WITH_HEREDOCS = /^(?:ONBUILD\s+)?(?:ADD|COPY|RUN)(?=\s)/i;

/** The directives at the top; reading stops at the first line that is none. */
function readDirectives(lines: readonly string[]): Dockerfile["escape"] {
  const seen = new Map<string, string>();
  for (const [at, line] of lines.entries()) {
    const match = DIRECTIVE.exec(line);
    const name = match?.[1].toLowerCase() ?? "";
    if (match === null || !DIRECTIVES.includes(name)) break;
    if (seen.has(name)) {
      throw new DockerfileError(`only one ${name} parser directive can be used`, at + 1);
    }
    seen.set(name, match[2]);
    if (name === "escape" && match[2] !== "\\" && match[2] !== "`") {
      throw new DockerfileError(
        `invalid escape token '${match[2]}' does not match \` or \\`,
        at + 1,
      );
    }
  }
  return seen.get("escape") === "`" ? "`" : "\\";
}

const isComment = (line: string): boolean => /^\s*#/.test(line);

/** Cuts the mark of a continued line off. */
function cutContinuation(line: string, escape: string): { text: string; goesOn: boolean } {
  const mark = new RegExp(`(?:([^\\${escape}])|^)\\${escape}[ \\t]*$`);
  const match = mark.exec(line);
  if (match === null) return { text: line, goesOn: false };
  return { text: line.slice(0, match.index) + (match[1] ?? ""), goesOn: true };
}

/** Reads a Dockerfile. Throws DockerfileError. */
export function readDockerfile(text: string): Dockerfile {
  const all = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  if (all.at(-1) === "") all.pop();
  const escape = readDirectives(all);
  const lines: Line[] = [];
  for (let at = 0; at < all.length;) {
    const first = at + 1;
    const start = all[at++].trimStart();
    if (start === "" || start.startsWith("#")) continue;
    let { text: joined, goesOn } = cutContinuation(start, escape);
    while (goesOn && at < all.length) {
      const line = all[at++];
      if (isComment(line) || line.trim() === "") continue;
      const next = cutContinuation(line, escape);
      joined += next.text;
      goesOn = next.goesOn;
    }
    if (joined.trim() === "") continue;
    const heredocs: Heredoc[] = [];
    if (WITH_HEREDOCS.test(joined) && joined.includes("<<")) {
      for (const opening of heredocsOf(joined, escape)) {
        const content = contentOf(all, at, opening);
        if (content === undefined) {
          throw new DockerfileError("unterminated heredoc", first, all.length);
        }
        heredocs.push({ ...opening, content: content.text });
        at = content.next;
      }
    }
    const [, name, rest] = /^(\S+)\s*(.*)$/s.exec(joined.trim())!;
    lines.push({ name: name.toUpperCase(), rest, heredocs, first, last: at });
  }
  if (lines.length === 0) throw new DockerfileError("file with no instructions");
  return { lines, escape };
}

/** The lines of a heredoc up to its end mark; undefined: there is none. */
function contentOf(
  lines: readonly string[],
  from: number,
  { name, chomp }: Heredoc,
): { text: string; next: number } | undefined {
  const taken: string[] = [];
  for (let at = from; at < lines.length; at++) {
    const line = chomp ? lines[at].replace(/^\t+/, "") : lines[at];
    if (line === name) {
      return { text: taken.map((one) => `${one}\n`).join(""), next: at + 1 };
    }
    taken.push(line);
  }
  return undefined;
}
