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
  return answerOf(await fetch(url, { ...question, method }));
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
