/** HTTP as it is on the wire, over a local socket: what a client library would hide is seen. */

type Bytes = Uint8Array<ArrayBuffer>;

const LIMIT_MS = 180_000;

export interface RawAnswer {
  readonly status: number;
  /** By names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Bytes;
}

function joined(parts: readonly Bytes[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A client that keeps its connection as long as the server does. */
export class RawClient implements Disposable {
  #connection: Deno.Conn | undefined;
  #held: Bytes = new Uint8Array();

  constructor(readonly socket: string) {}

  /** Sends a request and reads its answer to the end. Throws Error if that does not come. */
  async ask(
    method: string,
    path: string,
    body?: Bytes,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<RawAnswer> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this[Symbol.dispose]();
    }, LIMIT_MS);
    try {
      return await this.#ask(method, path, body, headers);
    } catch (error) {
      throw new Error(`${method} ${path}: ${isLate ? "no answer" : error}`);
    } finally {
      clearTimeout(timer);
    }
  }

  async #ask(
    method: string,
    path: string,
    body: Bytes | undefined,
    more: Readonly<Record<string, string>>,
  ): Promise<RawAnswer> {
    this.#connection ??= await Deno.connect({ transport: "unix", path: this.socket });
    const lines = [`${method} ${path} HTTP/1.1`, "Host: d"];
    for (const [name, value] of Object.entries(more)) lines.push(`${name}: ${value}`);
    if (body !== undefined) {
      lines.push("Content-Type: application/json", `Content-Length: ${body.length}`);
    }
    const head = new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
    await this.#write(joined([head, body ?? new Uint8Array()]));
    const [first, ...rest] = await this.#head();
    const status = Number(first.split(" ")[1]);
    const headers = new Map(rest.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }));
    const hasBody = method !== "HEAD" && status !== 204 && status !== 304;
    const answer = {
      status,
      headers,
      body: hasBody ? await this.#body(headers) : new Uint8Array(),
    };
    if (headers.get("connection") === "close") this[Symbol.dispose]();
    return answer;
  }

  async #write(bytes: Bytes): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#connection!.write(bytes.subarray(at));
  }

  async #body(headers: ReadonlyMap<string, string>): Promise<Bytes> {
    const length = headers.get("content-length");
    if (length !== undefined) return await this.#take(Number(length));
    const parts: Bytes[] = [];
    if (headers.get("transfer-encoding") === "chunked") {
      for (;;) {
        const size = parseInt(await this.#line(), 16);
        parts.push(await this.#take(size));
        await this.#line();
        if (size === 0) break;
      }
    } else {
      while (await this.#more());
      parts.push(await this.#take(this.#held.length));
      this[Symbol.dispose]();
    }
    return joined(parts);
  }

  async #more(): Promise<boolean> {
    const piece = new Uint8Array(65536);
    const count = await this.#connection!.read(piece);
    if (count === null) return false;
    this.#held = joined([this.#held, piece.subarray(0, count)]);
    return true;
  }

  async #take(length: number): Promise<Bytes> {
    while (this.#held.length < length) {
      if (!await this.#more()) throw new Error("the connection ended in the middle of an answer");
    }
    const taken = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return taken;
  }

  async #line(): Promise<string> {
    for (;;) {
      const at = this.#held.indexOf(10);
      if (at >= 0) return new TextDecoder().decode(await this.#take(at + 1)).trimEnd();
      if (!await this.#more()) throw new Error("the connection ended in the middle of a line");
    }
  }

  async #head(): Promise<string[]> {
    const lines: string[] = [];
    for (let line = await this.#line(); line !== ""; line = await this.#line()) lines.push(line);
    return lines;
  }

  [Symbol.dispose](): void {
    this.#connection?.close();
    this.#connection = undefined;
    this.#held = new Uint8Array();
  }
}
