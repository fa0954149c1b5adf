/**
 * Requests to docker's API and what docker answers to each, in files that a person can read.
 *
 *     $ POST /containers/create?name=a {"Image":"small"}   a request, and its body
 *       201 application/json                               the answer: status, media type,
 *       .Id: "<id>"                                        and each value of it by its path
 *     - .Warnings: null                                    docker's line
 *     + .Warnings: []                                      ours in its place
 *
 *     ? words of docker 28                               why the lines differ
 *
 * In a request "{Id}" is the last Id that an answer had, "{now}" the time since 1970, in seconds.
 */
import type { RawAnswer, RawClient } from "./raw_http.ts";

export interface Exchanged {
  readonly request: string;
  readonly docker: readonly string[];
  /** Why we answer otherwise: a heading of docs/docker-differences.md. */
  readonly why?: string;
}

/** Lines that differ for a reason, wherever they are: `request`, a line break, the line. */
export interface Reason {
  readonly why: string;
  readonly lines: RegExp;
}

/** What differs from run to run, made the same; `top`: the directory of the engine asked. */
function sameText(text: string, top: string): string {
  if (text.includes(top)) return "<path>";
  return text
    .replaceAll(/\b[0-9a-f]{64}\b/g, "<id>")
    .replaceAll(/\b[0-9a-f]{12}\b/g, "<short id>")
    .replaceAll(/\b\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)/g, "<time>")
    .replaceAll(/\b\d{4}-\d\d-\d\d [\d:.]+ [+-]\d{4} \w+\b/g, "<time>")
    .replaceAll(
      /(?:Less than a second|About a minute|\d+ (?:seconds?|minutes?))(?: ago)?/g,
      "<age>",
    )
    .replaceAll(/\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, "<mac>")
    .replaceAll(/\b(?:10\.2\d\d|172\.\d+)\.\d+\.\d+\b(?:\/\d+)?/g, "<address>")
    .replaceAll(/diplodock-[0-9a-f]{4}\b/g, "diplodock-<n>")
    .replaceAll(/\/proc\/\d+\//g, "/proc/<pid>/")
    .replaceAll(/\bonly \d+ CPUs|to \d+\.00, as/g, (words) => words.replace(/\d+/, "<n>"));
}

/** Numbers that are another's every time. */
const ANY =
  /\.(Pid|Created|Size\w*|VirtualSize|SharedSize|time|timeNano|mtime|RepoSize|LayersSize|SpaceReclaimed|size)$/;

/** Lists without an order. */
const SETS = /\.(Aliases|RepoTags|MaskedPaths|\w+Deleted)$/;

/** `path: value` of everything in a value. */
function flat(value: unknown, path: string, top: string, kindsOnly: boolean): string[] {
  const inner = (one: unknown, key: string) => flat(one, path + key, top, kindsOnly);
  if (Array.isArray(value) && value.length > 0) {
    if (kindsOnly || SETS.test(path)) return value.flatMap((one) => inner(one, "[]"));
    return named(value).flatMap(([name, one]) => inner(one, `[${name}]`));
  }
  const entries = Object.entries(Object(value));
  if (typeof value === "object" && entries.length > 0) {
    return entries.flatMap(([key, one]) => inner(one, `.${sameText(key, top)}`));
  }
  if (kindsOnly && value !== null && typeof value !== "object") {
    return [`${path}: <${typeof value}>`];
  }
  if (typeof value === "number" && ANY.test(path)) return [`${path}: <number>`];
  if (typeof value === "string") return [`${path}: ${JSON.stringify(sameText(value, top))}`];
  return [`${path}: ${JSON.stringify(value)}`];
}

/** What elements of lists are known by, where docker's order is none. */
const NAMES: ((one: Record<string, unknown>) => unknown)[] = [
  ({ Name }) => Name,
  ({ Destination }) => Destination,
  ({ Path, Kind }) => Kind === undefined ? undefined : Path,
  ({ RepoTags }) => Array.isArray(RepoTags) ? RepoTags.toSorted()[0] ?? "<none>:<none>" : undefined,
  ({ PrivatePort, Type, IP = "" }) => PrivatePort && `${PrivatePort}/${Type} ${IP}`,
];

/** The elements of a list, by their names or places. */
function named(list: readonly unknown[]): [string, unknown][] {
  for (const nameOf of NAMES) {
    const names = list.map((one) => nameOf(Object(one)));
    if (!names.every((name) => typeof name === "string")) continue;
    return list.map((one, i) => [/^[0-9a-f]{64}$/.test(names[i]) ? "<id>" : names[i], one]);
  }
  return list.map((one, i) => [String(i), one]);
}

/** Of these only the kinds of values are compared. */
const KINDS = /\/(info|version|stats|top|system\/df)\b/;
const SHOWN_HEADERS = ["api-version", "builder-version", "cache-control", "docker-experimental"]
  .concat(["ostype", "pragma", "swarm"]);

function bodyLines(request: string, { headers, body }: RawAnswer, top: string): string[] {
  if (body.length === 0) return [];
  const text = new TextDecoder().decode(body);
  const values = text.trim().split(/\r?\n/).map((line) => {
    try {
      return JSON.parse(line) as unknown;
    } catch {
      return undefined;
    }
  });
  const isJson = (headers.get("content-type") ?? "").includes("json");
  if (!isJson || values.includes(undefined)) {
    return [`| ${body.length > 1000 ? "<bytes>" : JSON.stringify(sameText(text, top))}`];
  }
  const isStream = values.length > 1;
  return values.flatMap((value, i) =>
    flat(value, isStream ? `(${i})` : "", top, KINDS.test(request))
  );
}

function statLines(headers: RawAnswer["headers"], top: string): string[] {
  const stat = headers.get("x-docker-container-path-stat");
  return stat === undefined ? [] : flat(JSON.parse(atob(stat)), "(stat)", top, false);
}

/** What hangs on the machine: its cgroups, its security modules. */
const OF_MACHINE = new RegExp(
  "^\\S*\\.(memory_stats\\.(stats|max_usage|failcnt)|blkio_stats|percpu_usage|Cgroup(nsMode|Contr\\w+)|" +
    "OomKillDisable|AppArmorProfile|Warnings|SecurityOptions|DriverStatus)",
);

/** The lines of an answer, sorted but for the first. */
function linesOf(request: string, answer: RawAnswer, top: string): string[] {
  const { status, headers } = answer;
  const type = headers.get("content-type");
  const shown = request.includes("_ping") ? SHOWN_HEADERS : [];
  return [
    `${status}${type === undefined ? "" : ` ${type}`}`,
    ...new Set([
      ...shown.map((name) => `(${name}): ${headers.get(name)}`),
      ...statLines(headers, top),
      ...bodyLines(request, answer, top).filter((line) => !OF_MACHINE.test(line)),
    ].sort()),
  ];
}

/** Asks all requests, one after the other. `top`: a directory whose name is made the same. */
export async function askAll(
  client: RawClient,
  requests: readonly string[],
  top: string,
): Promise<string[][]> {
  const answers: string[][] = [];
  let id = "";
  for (const request of requests) {
    const now = (Date.now() / 1000 + 0.01).toFixed(3);
    const text = request.replaceAll("{Id}", id).replaceAll("{now}", now);
    const [, method, path, body] = /^(\S+) (\S+)(?: (.*))?$/.exec(text)!;
    const bytes = body === "@tar" ? new Uint8Array(1024) : new TextEncoder().encode(body ?? "");
    const hasBody = body !== undefined || method === "POST" || method === "PUT";
    const answer = await client.ask(method, path, hasBody ? bytes : undefined).catch((e) => {
      console.log(top, e.message);
      return { status: 0, headers: new Map(), body: new Uint8Array() };
    });
    answers.push(linesOf(request, answer, top));
    id = /"Id":"([0-9a-f]{64})"/.exec(new TextDecoder().decode(answer.body))?.[1] ?? id;
  }
  return answers;
}

const keyOf = (line: string) => line.startsWith("|") ? "|" : line.replace(/: .*/s, "");

/** Both answers as one text: what only docker has behind "-", what only we have behind "+". */
function compare(docker: readonly string[], ours: readonly string[]): string[] {
  const lines = [
    ...docker.map((line) => ({ line, mark: ours.includes(line) ? " " : "-" })),
    ...ours.filter((line) => !docker.includes(line)).map((line) => ({ line, mark: "+" })),
  ];
  // The status is first; "-" comes before "+".
  const rank = (line: string) => /^\d/.test(line) ? "" : keyOf(line);
  return lines
    .sort((a, b) => rank(a.line) < rank(b.line) ? -1 : rank(a.line) > rank(b.line) ? 1 : 0)
    .map(({ line, mark }) => `${mark} ${line}`);
}

/** Reads a file of them: what docker answered. */
export function parseAnswers(text: string): Exchanged[] {
  return text.split(/^\$ /m).slice(1).map((part) => {
    const [request, ...lines] = part.split("\n").filter((line) => line !== "");
    const why = lines.find((line) => line.startsWith("? "))?.slice(2);
    const docker = lines.filter((line) => /^[- ]/.test(line)).map((line) => line.slice(2));
    return { request, docker, ...(why !== undefined && { why }) };
  });
}

export const UNEXPLAINED = "not explained yet";

/** The text of such a file. What differs and is in no row of `fields` has a reason. */
export function formatAnswers(
  exchanged: readonly Exchanged[],
  ours: readonly (readonly string[])[],
  fields: readonly Reason[],
): string {
  return exchanged.map(({ request, docker, why = UNEXPLAINED }, i) => {
    const lines = compare(docker, ours[i]);
    const isOpen = lines.some((line) =>
      !line.startsWith(" ") && !fields.some(({ lines }) => lines.test(`${request}\n${line}`))
    );
    return [`$ ${request}`, ...(isOpen ? [`? ${why}`] : []), ...lines].join("\n") + "\n";
  }).join("\n");
}
