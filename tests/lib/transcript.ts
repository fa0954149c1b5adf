/**
 * Transcripts: command lines and what docker answers to each, in files that a person can read.
 *
 *     $ run --rm bb sh -c "echo out; exit 3"     a line; `<<< text` behind it is its stdin
 *     > out                                      on stdout; `>-` where no line break follows
 *     ! a warning                                on stderr; `!-` likewise
 *     [3]                                        the exit code, unless it is 0
 *     ? why                                      we answer otherwise: why, and below it how
 */

/** What a command answered, made comparable: see normalise(). */
export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Entry {
  readonly line: string;
  readonly docker: Answer;
  /** Our answer where it is meant to be another one. */
  readonly ours?: { readonly why: string; readonly answer: Answer };
}

/** Splits a line as a shell does, without expansion: blanks, '…', "…" with \" in it. */
export function words(line: string): { args: string[]; stdin?: string } {
  const [command, stdin] = line.split(" <<< ");
  const args: string[] = [];
  for (const [whole] of command.matchAll(/(?:[^\s"']|"(?:\\.|[^"\\])*"|'[^']*')+/g)) {
    args.push(whole.replaceAll(
      /"((?:\\.|[^"\\])*)"|'([^']*)'/g,
      (_, double?: string, single?: string) => single ?? double!.replaceAll('\\"', '"'),
    ));
  }
  return { args, ...(stdin !== undefined && { stdin: `${stdin}\n` }) };
}

/** What differs from run to run, and the name of the program, made the same. */
const SAME: [pattern: RegExp, text: string][] = [
  [/\bdocker\b(?!\.io|-)/g, "diplodock"],
  [/\bDocker\b/g, "Diplodock"],
  [/\b[0-9a-f]{64}\b/g, "<id>"],
  [/\b[0-9a-f]{12}\b/g, "<short id>"],
  [/\b\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)/g, "<time>"],
  [/\b\d{4}-\d\d-\d\d [\d:.]+ [+-]\d{4} \w+\b/g, "<time>"],
  [/(?:Less than a second|About a minute|\d+ (?:seconds?|minutes?))(?: ago)?/g, "<age>"],
  [/ {3,}/g, "   "],
  [/^(root {3})?\d+( {3}\d+)?(?= {3}.*sleep)/gm, "$1<pid>$2"],
  [/(?<=<pid>) {3}\d+/g, "   <pid>"],
  [/\b\d\d:\d\d(?= {3}\?)/g, "<clock>"],
  [/\b\d+(?:\.\d+)?[kMG]B\b/g, "<size>"],
  [/\d+\.00, as there are only \d+ CPUs/g, "<n>.00, as there are only <n> CPUs"],
  [/(?<=available: )[\d,-]+/g, "<cpus>"],
  [/diplodock-monitor [0-9a-z ]+\0?/g, "diplodock-monitor"],
  [/ +$/gm, ""],
];

/** An answer of docker's or ours, in comparable form. */
export function normalise({ code, stdout, stderr }: Answer): Answer {
  const same = (text: string) =>
    SAME.reduce((left, [pattern, by]) => left.replaceAll(pattern, by), text);
  return { code, stdout: same(stdout), stderr: same(stderr) };
}

function streamLines(mark: string, text: string): string[] {
  if (text === "") return [];
  const lines = text.replaceAll("\r", "\\r").replace(/\n$/, "").split("\n");
  return lines.map((line, i) => {
    const open = i === lines.length - 1 && !text.endsWith("\n");
    return `${mark}${open ? "-" : ""} ${line}`.trimEnd();
  });
}

function answerLines({ code, stdout, stderr }: Answer): string[] {
  return [
    ...streamLines(">", stdout),
    ...streamLines("!", stderr),
    ...(code === 0 ? [] : [`[${code}]`]),
  ];
}

/** The text of a transcript; parseTranscript() reads it back. */
export function formatTranscript(entries: readonly Entry[]): string {
  return entries.map(({ line, docker, ours }) => {
    const lines = [`$ ${line}`, ...answerLines(docker)];
    if (ours !== undefined) lines.push(`? ${ours.why}`, ...answerLines(ours.answer));
    return lines.join("\n") + "\n";
  }).join("\n");
}

function parseAnswer(lines: readonly string[]): Answer {
  const answer = { code: 0, stdout: "", stderr: "" };
  for (const line of lines) {
    const [, mark, open, text = ""] = /^([>!\[])(-?) ?(.*)$/.exec(line) ?? [];
    if (mark === "[") answer.code = Number(line.slice(1, -1));
    else if (mark === undefined) throw new Error(`Cannot read the line of a transcript: ${line}`);
    else {
      answer[mark === ">" ? "stdout" : "stderr"] += text.replaceAll("\\r", "\r") +
        (open ? "" : "\n");
    }
  }
  return answer;
}

/** Reads a transcript. Throws Error at a line that has none of the marks. */
export function parseTranscript(text: string): Entry[] {
  return text.split(/^\$ /m).slice(1).map((part) => {
    const [line, ...rest] = part.split("\n").filter((one) => one !== "");
    const at = rest.findIndex((one) => one.startsWith("? "));
    const docker = parseAnswer(at < 0 ? rest : rest.slice(0, at));
    if (at < 0) return { line, docker };
    return {
      line,
      docker,
      ours: { why: rest[at].slice(2), answer: parseAnswer(rest.slice(at + 1)) },
    };
  });
}
