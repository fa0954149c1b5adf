/** One request and the means to answer it: what a handler of the API is given. */
import type { ByteReader, ByteStream } from "./byte_stream.ts";
import type { Body } from "./http_body.ts";
import type { RequestHead } from "./http_head.ts";
import { Query } from "./query.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The name of a media type, and "multiplexed" or "raw" for hijacked connections. */
export const JSON_TYPE = "application/json";
export const RAW_STREAM = "application/vnd.docker.raw-stream";
export const MULTIPLEXED_STREAM = "application/vnd.docker.multiplexed-stream";

const REASONS: Readonly<Record<number, string>> = {
  101: "UPGRADED",
  200: "OK",
  201: "Created",
  204: "No Content",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Content Too Large",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
};

const encoder = new TextEncoder();
const CRLF = encoder.encode("\r\n");
const LAST_CHUNK = encoder.encode("0\r\n\r\n");

/** The head of an answer. A value cannot begin a header of its own. */
export function headBytes(status: number, headers: Readonly<Record<string, string>>): Bytes {
  const lines = Object.entries(headers).map(([name, value]) =>
    `${name}: ${value.replace(/[\r\n]+/g, " ")}\r\n`
  );
  return encoder.encode(`HTTP/1.1 ${status} ${REASONS[status] ?? ""}\r\n${lines.join("")}\r\n`);
}

/** As docker writes a list that has nothing in it where it tells what was done. */
export function orNull<T>(list: readonly T[]): readonly T[] | null {
  return list.length > 0 ? list : null;
}

/** A body that is sent as it comes to be. */
export interface Answer {
  write(bytes: Bytes | string): Promise<void>;
  /** The same, and this thread waits. */
  writeNow(bytes: Bytes): void;
  end(): Promise<void>;
}

/** What the exchange takes from its connection. */
export interface Wire {
  readonly stream: ByteStream;
  readonly reader: ByteReader;
}

/** A request that is being answered, once. */
export class Exchange {
  readonly query: Query;
  /** An answer has begun; an error can no longer be told by a status. */
  isAnswered = false;
  /** The answer did not come to its end, or the connection is no longer HTTP. */
  isLast = false;

  constructor(
    readonly head: RequestHead,
    readonly body: Body,
    /** Parts of the path by the names that the pattern gives them, decoded. */
    readonly parts: Readonly<Record<string, string>>,
    /** The API version the client speaks: 43 for 1.43. */
    readonly minor: number,
    readonly headers: Readonly<Record<string, string>>,
    readonly wire: Wire,
  ) {
    this.query = new Query(head.query);
  }

  /** Resolves when the client has gone: who answers for long stops then. */
  get gone(): Promise<void> {
    return this.wire.stream.gone;
  }

  get #isHead(): boolean {
    return this.head.method === "HEAD";
  }

  async #begin(status: number, headers: Readonly<Record<string, string>>): Promise<Bytes> {
    this.isAnswered = true;
    // A body that was not read is not the next request.
    if (!await this.body.skip()) this.isLast = true;
    const ends = this.isLast || !this.head.keepsAlive;
    const connection: Record<string, string> = ends ? { Connection: "close" } : {};
    return headBytes(status, { ...this.headers, ...headers, ...connection });
  }

  /** Answers with `bytes`. */
  async bytes(status: number, type: string, bytes: Bytes, more = {}): Promise<void> {
    const length = String(bytes.length);
    const head = await this.#begin(status, {
      "Content-Type": type,
      "Content-Length": length,
      ...more,
    });
    const all = new Uint8Array(head.length + (this.#isHead ? 0 : bytes.length));
    all.set(head);
    if (!this.#isHead) all.set(bytes, head.length);
    await this.wire.stream.write(all);
  }

  /** Answers with a value. */
  async json(status: number, value: unknown): Promise<void> {
    await this.bytes(status, JSON_TYPE, encoder.encode(JSON.stringify(value) + "\n"));
  }

  /** Answers that something was done, or that nothing had to be: 204 or 304, or a head only. */
  async empty(status: number, more: Readonly<Record<string, string>> = {}): Promise<void> {
    const length: Record<string, string> = status === 200 ? { "Content-Length": "0" } : {};
    await this.wire.stream.write(await this.#begin(status, { ...length, ...more }));
  }

  /** Begins an answer whose length is not known; the head goes out at once. */
  async start(status: number, type: string, more = {}): Promise<Answer> {
    const { stream } = this.wire;
    // In HTTP/1.0 the end of the connection is that of the answer.
    const { isOld } = this.head;
    if (isOld) this.isLast = true;
    const chunks: Record<string, string> = isOld ? {} : { "Transfer-Encoding": "chunked" };
    await stream.write(await this.#begin(status, { "Content-Type": type, ...chunks, ...more }));
    const isLast = this.isLast;
    this.isLast = true; // until the end is written
    return {
      write: async (content) => {
        const bytes = typeof content === "string" ? encoder.encode(content) : content;
        if (bytes.length > 0 && !this.#isHead) await stream.write(isOld ? bytes : chunk(bytes));
      },
      writeNow: (bytes) => {
        if (bytes.length > 0 && !this.#isHead) stream.writeNow(isOld ? bytes : chunk(bytes));
      },
      end: async () => {
        if (!isOld && !this.#isHead) await stream.write(LAST_CHUNK);
        this.isLast = isLast;
      },
    };
  }

  /**
   * Takes the connection over for a stream in both directions: 101 if the client asks for that,
   * else 200. What comes behind the head is the stream's. The connection ends with it.
   */
  async hijack(type: string): Promise<ByteStream> {
    const { stream, reader } = this.wire;
    this.isAnswered = true;
    this.isLast = true;
    const upgrade = this.head.headers.get("upgrade");
    const head = upgrade === undefined
      ? headBytes(200, { "Content-Type": type })
      : headBytes(101, { "Content-Type": type, Connection: "Upgrade", Upgrade: "tcp" });
    await this.body.skip();
    await stream.write(head);
    // Clients that read the head through a buffer, as docker's library for Python does, lose what
    // comes with it.
    await stream.taken();
    return {
      taken: () => stream.taken(),
      read: () => reader.some(1 << 17),
      write: (bytes) => stream.write(bytes),
      writeNow: (bytes) => stream.writeNow(bytes),
      end: () => stream.end(),
      gone: stream.gone,
    };
  }
}

function chunk(bytes: Bytes): Bytes {
  const size = encoder.encode(`${bytes.length.toString(16)}\r\n`);
  const all = new Uint8Array(size.length + bytes.length + 2);
  all.set(size);
  all.set(bytes, size.length);
  all.set(CRLF, size.length + bytes.length);
  return all;
}
