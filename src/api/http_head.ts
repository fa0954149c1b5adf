/**
 * The head of a request of HTTP/1: its line and its headers. Strict, because what two programs
 * read differently is a way to smuggle a request past one of them (RFC 9112, sections 2 to 6). Pure.
 */

/** A request that cannot be answered as asked: the status, and the text for its `message`. */
export class ApiError extends Error {
  override name = "ApiError";
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

/** What came before the body. */
export interface RequestHead {
  readonly method: string;
  /** The path, with its percent signs; starts with "/". */
  readonly path: string;
  /** Behind "?", or empty. */
  readonly query: string;
  /** By names in lower case. A header that came twice is one, with a comma between. */
  readonly headers: ReadonlyMap<string, string>;
  /** Another request may follow on the connection. */
  readonly keepsAlive: boolean;
  /** HTTP/1.0, which knows no chunks. */
  readonly isOld: boolean;
}

/** How the end of a body is known. */
export type BodyKind =
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" };

const MAX_HEADERS = 100;
const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([\\x21-\\x7e]+) HTTP/1\\.([01])$`);
const HEADER = new RegExp(`^(${TOKEN}):[ \\t]*(.*?)[ \\t]*$`);
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;
/** Headers of which a second one would make the request mean two things. */
const ONCE: readonly string[] = ["content-length", "transfer-encoding", "host"];

const bad = (text: string) => new ApiError(400, text);

/** Parses a head, given without its empty line; lines end in CR LF. Throws ApiError. */
export function parseHead(text: string): RequestHead {
  const [first, ...lines] = text.split("\r\n");
  const match = REQUEST_LINE.exec(first);
  if (match === null) throw bad("Cannot read the request: its first line is not one of HTTP/1");
  const [, method, target, minor] = match;
  const headers = parseHeaders(lines);
  const words = (headers.get("connection") ?? "").toLowerCase().split(/[ \t]*,[ \t]*/);
  const keepsAlive = minor === "1" ? !words.includes("close") : words.includes("keep-alive");
  return { method, ...splitTarget(target), headers, keepsAlive, isOld: minor === "0" };
}

function parseHeaders(lines: readonly string[]): Map<string, string> {
  if (lines.length > MAX_HEADERS) {
    throw new ApiError(431, `Cannot read the request: more than ${MAX_HEADERS} headers`);
  }
  const headers = new Map<string, string>();
  for (const line of lines) {
    const match = CONTROL.test(line) ? null : HEADER.exec(line);
    if (match === null) throw bad("Cannot read the request: a line of its head is no header");
    const name = match[1].toLowerCase();
    const before = headers.get(name);
    if (before !== undefined && ONCE.includes(name)) {
      throw bad(`Cannot read the request: two headers "${name}"`);
    }
    headers.set(name, before === undefined ? match[2] : `${before}, ${match[2]}`);
  }
  return headers;
}

/** "/path?query", or the same behind "http://host". */
function splitTarget(target: string): Pick<RequestHead, "path" | "query"> {
  const relative = target.replace(/^https?:\/\/[^/?#]*/i, "");
  const at = relative.indexOf("?");
  const path = at < 0 ? relative : relative.slice(0, at);
  if (!path.startsWith("/")) throw bad(`Cannot read the request: "${target}" is no path`);
  return { path, query: at < 0 ? "" : relative.slice(at + 1) };
}

/** How long the body of a request is. Throws ApiError where that is said in two ways, or wrongly. */
export function bodyKind({ headers }: Pick<RequestHead, "headers">): BodyKind {
  const length = headers.get("content-length");
  const encoding = headers.get("transfer-encoding");
  if (encoding !== undefined) {
    if (length !== undefined) {
      throw bad("Cannot read the request: it has both Content-Length and Transfer-Encoding");
    }
    if (encoding.toLowerCase() !== "chunked") {
      throw new ApiError(501, `Cannot read the request: Transfer-Encoding is not "chunked"`);
    }
    return { kind: "chunked" };
  }
  if (length === undefined) return { kind: "length", bytes: 0 };
  if (!/^\d{1,15}$/.test(length)) throw bad("Cannot read the request: a bad Content-Length");
  return { kind: "length", bytes: Number(length) };
}
