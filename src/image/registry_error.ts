/** What a registry answers when it refuses. */
import { parseChallenges } from "./challenge.ts";
import type { Answer, Bytes } from "./http.ts";

/** One refusal in a registry's answer. Source: OCI distribution-spec, "Error Codes". */
export interface RegistryProblem {
  code: string;
  message: string;
}

/** A request to a registry that failed. `problems` are the registry's own words. */
export class RegistryError extends Error {
  override name = "RegistryError";
  constructor(
    message: string,
    /** HTTP status; 0: no answer came. */
    readonly status: number,
    readonly problems: readonly RegistryProblem[] = [],
  ) {
    super(message);
  }
  /** Whether the registry gave this code. */
  has(...codes: string[]): boolean {
    return this.problems.some((problem) => codes.includes(problem.code));
  }
}

/** The registry wants a password and the user has logged in nowhere. */
export class NoCredentialsError extends RegistryError {
  /** Docker's words of it. */
  static readonly words = "no basic auth credentials";
  constructor(request: string) {
    super(`${request}: ${NoCredentialsError.words}`, 401);
  }
}

/** A method as Go's HTTP client writes it in errors: Get, Head. */
export function verbOf(method: string): string {
  return method[0] + method.slice(1).toLowerCase();
}

/** Bytes of an error's body that are read. */
const MAX_BODY = 64 << 10;

/** Reads at most `limit` bytes of a body; throws RegistryError if there is more. */
export async function boundedBody(
  response: Answer,
  limit: number,
  what: string,
): Promise<Bytes> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body) {
    size += part.length;
    if (size > limit) {
      throw new RegistryError(`Cannot read ${what}: more than ${limit} bytes`, response.status);
    }
    parts.push(part.slice());
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function problemsIn(text: string): RegistryProblem[] {
  try {
    const { errors } = JSON.parse(text) as { errors?: unknown };
    if (!Array.isArray(errors)) return [];
    return errors.map((error) => ({
      code: String(error?.code ?? "UNKNOWN"),
      message: String(error?.message ?? ""),
    }));
  } catch {
    return [];
  }
}

/** Docker prints a problem as "manifest unknown: manifest unknown". */
export function problemText(problem: RegistryProblem): string {
  const code = problem.code.toLowerCase().replaceAll("_", " ");
  return problem.message === "" ? code : `${code}: ${problem.message}`;
}

/** Turns an answer that is no success into an error. */
export async function errorFrom(response: Answer, method: string): Promise<RegistryError> {
  let text = "";
  try {
    text = new TextDecoder().decode(await boundedBody(response, MAX_BODY, "an error"));
  } catch {
    // What the status says is enough.
  }
  const problems = problemsIn(text);
  const url = new URL(response.url || "http://unknown");
  url.search = "";
  if (problems.length === 0 && response.status === 429) {
    problems.push({ code: "TOOMANYREQUESTS", message: text.trim().slice(0, 300) });
  }
  // The token is good, but not for this: that counts more than what the body says.
  const challenges = parseChallenges(response.headers.get("www-authenticate") ?? "");
  if (challenges.some(({ parameters }) => parameters.error === "insufficient_scope")) {
    problems.splice(0, problems.length, {
      code: "DENIED",
      message: "requested access to the resource is denied",
    });
  }
  const words = problems.length > 0
    ? problems.map(problemText).join("; ")
    : `unexpected status ${response.status} ${response.statusText}`;
  return new RegistryError(`${verbOf(method)} "${url}": ${words}`, response.status, problems);
}

/** The usual reasons in docker's words; others as they come. */
function systemWords(text: string, host: string): string {
  if (/connection refused/i.test(text)) return `dial tcp ${host}: connect: connection refused`;
  if (/dns error|failed to lookup/i.test(text)) {
    return `dial tcp: lookup ${host.replace(/:\d+$/, "")}: no such host`;
  }
  if (/network is unreachable/i.test(text)) {
    return `dial tcp ${host}: connect: network is unreachable`;
  }
  return text.replace(/^.*?url \(\S+\):\s*/, "");
}

/** An answer that never came: the reason in the system's words. */
export function unreachable(error: unknown, method: string, url: string): RegistryError {
  const chain: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) chain.push(at.message);
  const reason = systemWords(chain.join(": "), new URL(url).host);
  return new RegistryError(`${verbOf(method)} "${url.replace(/\?.*/, "")}": ${reason}`, 0);
}
