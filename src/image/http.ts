/** One question over HTTP: by a plain connection where that will do, else by Deno's fetch. */
import { getPlain } from "./plain_http.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

/** What a server answered. */
export interface Answer {
  /** Whether the status is 2xx. */
  readonly ok: boolean;
  readonly status: number;
  readonly statusText: string;
  /** Whose answer it is, after redirects. */
  readonly url: string;
  readonly headers: { get(name: string): string | null };
  /** To be read once, or discarded. A piece is valid until the next one is asked for. */
  readonly body: AsyncIterable<Bytes>;
  discard(): Promise<void>;
}

/** How to ask. */
export interface Question {
  headers: Readonly<Record<string, string>>;
  body?: BodyInit;
  signal?: AbortSignal;
  client?: Deno.HttpClient;
}

/** Asks. Whatever keeps an answer from coming is thrown as it is. */
export async function ask(method: string, url: string, question: Question): Promise<Answer> {
  if (method === "GET" && url.startsWith("http://")) {
    const answer = await getPlain(new URL(url), question.headers, question.signal);
    if (answer !== undefined) return answer;
  }
  const port = refusedPort(url);
  if (port === undefined) return answerOf(await fetch(url, { ...question, method }));
  return await askAtPort(method, url, port, question);
}

/**
 * Ports that Deno's fetch refuses, as browsers do against forged mail; a registry may well listen
 * on 5060, 6000 or 10080. Source: the Fetch standard, "port blocking".
 */
const REFUSED_PORTS = new Set(
  ("1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 113 " +
    "115 117 119 123 135 137 139 143 161 179 389 427 465 512 513 514 515 526 530 531 532 540 548 " +
    "554 556 563 587 601 636 989 990 993 995 1719 1720 1723 2049 3659 4045 4190 5060 5061 6000 " +
    "6566 6665 6666 6667 6668 6669 6679 6697 10080").split(" ").map(Number),
);

function refusedPort(url: string): number | undefined {
  const { protocol, port } = new URL(url);
  return protocol === "http:" && REFUSED_PORTS.has(Number(port)) ? Number(port) : undefined;
}

/**
 * Tells fetch of the default port, and the connection of the real one. The request names the whole
 * address, so that the server may believe in the default one too: where it sends us is corrected.
 */
async function askAtPort(
  method: string,
  url: string,
  port: number,
  question: Question,
): Promise<Answer> {
  const other = new URL(url);
  const { host, hostname } = other;
  other.port = "";
  const client = clientOf(hostname.replace(/^\[(.*)\]$/, "$1"), port);
  const headers = { ...question.headers, host };
  const answer = answerOf(await fetch(other, { ...question, headers, client, method }));
  const { origin } = new URL(url);
  const here = (address: string) =>
    address.startsWith(`${other.origin}/`) ? origin + address.slice(other.origin.length) : address;
  return {
    ...answer,
    url: here(answer.url),
    headers: {
      get(name) {
        const value = answer.headers.get(name);
        return value !== null && name.toLowerCase() === "location" ? here(value) : value;
      },
    },
  };
}

/** Those that were made: an answer's body needs its client to the end. */
const clients = new Map<string, Deno.HttpClient>();

function clientOf(hostname: string, port: number): Deno.HttpClient {
  const key = `${hostname}:${port}`;
  const client = clients.get(key) ?? Deno.createHttpClient({
    proxy: { transport: "tcp", hostname, port },
    allowHost: true,
  });
  clients.set(key, client);
  return client;
}

function answerOf(response: Response): Answer {
  const { ok, status, statusText, url, headers, body } = response;
  return {
    ...{ ok, status, statusText, url, headers },
    body: body === null ? nothing() : piecesOf(body),
    discard: async () => await body?.cancel(),
  };
}

async function* nothing(): AsyncGenerator<Bytes> {}

/** What is read at a time: the more, the fewer steps through Deno's streams. */
const PIECE = 1 << 20;

/** By one buffer, to and fro: a stream's own ones are new for each piece, at 10 µs a page. */
async function* piecesOf(body: ReadableStream<Bytes>): AsyncGenerator<Bytes> {
  const reader = body.getReader({ mode: "byob" });
  let buffer = new ArrayBuffer(PIECE);
  try {
    for (;;) {
      const { value, done } = await reader.read(new Uint8Array(buffer));
      if (done) return;
      yield value;
      buffer = value.buffer;
    }
  } finally {
    await reader.cancel();
  }
}
