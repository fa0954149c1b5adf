/**
 * GET over plain HTTP by a connection of our own, for registries on this machine: to load Deno's
 * fetch takes 40 ms, and its streams cost four times the processor time that the bytes need.
 * Whatever is not simple (a redirect, a body of unknown length, a proxy) is fetch's.
 * Source: RFC 9112.
 */
import type { Answer, Bytes } from "./http.ts";

/** Bytes of a status line and headers; Deno's fetch has the same limit. */
const MAX_HEAD = 64 << 10;
/** What is read at a time. */
const PIECE = 256 << 10;

/** The part of a connection that is used here. */
export interface Connection {
  read(buffer: Bytes): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

/** Asks a server; undefined: fetch should try, which has the words for what is wrong. */
export async function getPlain(
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal?: AbortSignal | null,
): Promise<Answer | undefined> {
  const question = questionFor(url, headers);
  if (question === undefined || usesProxy()) return undefined;
  const connection = await connect(url);
  if (connection === undefined) return undefined;
  const close = closeOnce(connection, signal);
  try {
    const answer = await converse(connection, question, url.href, close);
    if (answer === undefined) close();
    return answer;
  } catch {
    close();
    signal?.throwIfAborted();
    return undefined;
  }
}

/** All of a request; undefined if a header has what would end the line. */
function questionFor(url: URL, headers: Readonly<Record<string, string>>): string | undefined {
  const lines = Object.entries({ host: url.host, ...headers, connection: "close" })
    .map(([name, value]) => `${name}: ${value}`);
  if (lines.some((line) => /[^\t\x20-\x7e]/.test(line))) return undefined;
  return [`GET ${url.pathname}${url.search} HTTP/1.1`, ...lines, "", ""].join("\r\n");
}

/** Fetch knows which hosts a proxy is for. */
function usesProxy(): boolean {
  return ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"].some((name) => Deno.env.get(name));
}

async function connect(url: URL): Promise<Connection | undefined> {
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  try {
    return await Deno.connect({ hostname, port: Number(url.port || 80) });
  } catch {
    return undefined; // fetch tries the other addresses of the name
  }
}

/** Closes a connection when it is done with or given up, whichever comes first. */
function closeOnce(connection: Connection, signal?: AbortSignal | null): () => void {
  let isOpen = true;
  const close = () => {
    signal?.removeEventListener("abort", close);
    if (isOpen) connection.close();
    isOpen = false;
  };
  signal?.addEventListener("abort", close);
  return close;
}

/** Sends a question and reads the head of the answer; undefined if its body is not a simple one. */
export async function converse(
  connection: Connection,
  question: string,
  url: string,
  close: () => void,
): Promise<Answer | undefined> {
  const bytes = new TextEncoder().encode(question);
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
  const buffer = new Uint8Array(PIECE);
  let filled = 0;
  let end = -1;
  while (end < 0) {
    const count = await connection.read(buffer.subarray(filled, MAX_HEAD));
    if (!count) return undefined; // it ended, or the head is longer than any is
    filled += count;
    end = endOfHead(buffer.subarray(0, filled));
  }
  const head = parseHead(new TextDecoder().decode(buffer.subarray(0, end)));
  const isSimple = head !== undefined && (head.status < 300 || head.status >= 400) &&
    head.length !== undefined;
  if (!isSimple) return undefined;
  const first = buffer.subarray(end, filled);
  const body = bodyOf(connection, buffer, first, head.length!, close);
  const { status, statusText, headers } = head;
  return {
    ok: status >= 200 && status < 300,
    status,
    statusText,
    url,
    headers,
    body,
    discard: () => Promise.resolve(close()),
  };
}

/** Where the body begins, or -1. */
function endOfHead(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) {
    if (bytes[at + 1] === 13 && bytes[at + 2] === 10) return at + 3;
  }
  return -1;
}

interface Head {
  status: number;
  statusText: string;
  headers: { get(name: string): string | null };
  /** Bytes of the body, if they are announced and sent as they are. */
  length: number | undefined;
}

/** Reads a status line and headers; undefined: this is not HTTP/1. */
function parseHead(text: string): Head | undefined {
  const [first, ...lines] = text.trimEnd().split("\r\n");
  const status = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(first);
  if (status === null) return undefined;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = /^([^\s:]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined) return undefined;
    const key = name.toLowerCase();
    const before = headers.get(key);
    headers.set(key, before === undefined ? value : `${before}, ${value}`);
  }
  const announced = headers.get("content-length") ?? "";
  const isPlain = !headers.has("transfer-encoding") && !headers.has("content-encoding");
  return {
    status: Number(status[1]),
    statusText: status[2] ?? "",
    headers: { get: (name) => headers.get(name.toLowerCase()) ?? null },
    length: isPlain && /^\d{1,15}$/.test(announced) ? Number(announced) : undefined,
  };
}

/** The body in one buffer that is used again and again. */
async function* bodyOf(
  connection: Connection,
  buffer: Bytes,
  first: Bytes,
  length: number,
  close: () => void,
): AsyncGenerator<Bytes> {
  try {
    let left = length;
    if (first.length > 0) {
      yield first.subarray(0, Math.min(first.length, left));
      left -= first.length;
    }
    while (left > 0) {
      const count = await connection.read(buffer.subarray(0, Math.min(left, buffer.length)));
      if (count === null) throw new Error("unexpected EOF");
      left -= count;
      yield buffer.subarray(0, count);
    }
  } finally {
    close();
  }
}
