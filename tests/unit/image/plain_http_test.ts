import { assertEquals, assertRejects } from "@std/assert";
import { type Connection, converse } from "../../../src/image/plain_http.ts";

const OK = "HTTP/1.1 200 OK\r\n";

/** A connection whose other end says `text`, so many bytes at a time. */
class Scripted implements Connection {
  asked = "";
  isOpen = true;
  #at = 0;
  constructor(readonly text: string, readonly piece: number) {}
  read(buffer: Uint8Array): Promise<number | null> {
    const bytes = new TextEncoder().encode(this.text.slice(this.#at, this.#at + this.piece));
    buffer.set(bytes.subarray(0, buffer.length));
    this.#at += Math.min(bytes.length, buffer.length);
    return Promise.resolve(bytes.length === 0 ? null : Math.min(bytes.length, buffer.length));
  }
  /** Takes little at a time, as a socket may. */
  write(bytes: Uint8Array): Promise<number> {
    const taken = bytes.subarray(0, 3);
    this.asked += new TextDecoder().decode(taken);
    return Promise.resolve(taken.length);
  }
  close(): void {
    this.isOpen = false;
  }
}

async function answer(text: string, piece: number) {
  const connection = new Scripted(text, piece);
  const question = "GET / HTTP/1.1\r\n\r\n";
  const got = await converse(connection, question, "http://x/", () => connection.close());
  assertEquals(connection.asked, question);
  return { got, connection };
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const piece of body) text += new TextDecoder().decode(piece);
  return text;
}

for (const piece of [1, 2, 7, 1000]) {
  Deno.test(`converse() reads an answer that comes ${piece} bytes at a time`, async () => {
    const head = `${OK}Content-Length: 5\r\nX-A:  b c \r\nx-a: d\r\n\r\n`;
    const { got, connection } = await answer(`${head}hello, and more`, piece);
    assertEquals([got!.ok, got!.status, got!.statusText], [true, 200, "OK"]);
    assertEquals(got!.headers.get("x-A"), "b c, d");
    assertEquals(got!.headers.get("location"), null);
    assertEquals(connection.isOpen, true);
    assertEquals(await textOf(got!.body), "hello");
    assertEquals(connection.isOpen, false);
  });
}

Deno.test("converse() reads a refusal without words of its own", async () => {
  const { got } = await answer("HTTP/1.0 404\r\ncontent-length: 2\r\n\r\n{}", 100);
  assertEquals([got!.ok, got!.status, got!.statusText], [false, 404, ""]);
  assertEquals(await textOf(got!.body), "{}");
});

const NOT_SIMPLE: [name: string, text: string][] = [
  ["a body in chunks", `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ["a compressed body", `${OK}Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx`],
  ["a body of unknown length", `${OK}\r\nhello`],
  ["two lengths", `${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy`],
  ["a redirect", "HTTP/1.1 307 Elsewhere\r\nLocation: http://y/\r\nContent-Length: 0\r\n\r\n"],
  ["another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n"],
  ["a line that is no header", `${OK}what is this\r\nContent-Length: 0\r\n\r\n`],
  ["an end inside the head", `${OK}Content-Len`],
  ["a head without end", `${OK}X-Long: ${"x".repeat(70_000)}\r\n\r\n`],
];
for (const [name, text] of NOT_SIMPLE) {
  Deno.test(`converse() leaves ${name} to fetch`, async () => {
    assertEquals((await answer(text, 1000)).got, undefined);
  });
}

Deno.test("converse() tells when a body ends early, and closes the connection", async () => {
  const { got, connection } = await answer(`${OK}Content-Length: 9\r\n\r\nhello`, 3);
  await assertRejects(() => textOf(got!.body), Error, "unexpected EOF");
  assertEquals(connection.isOpen, false);
});

Deno.test("converse() closes the connection of an answer that nobody reads to the end", async () => {
  const { got, connection } = await answer(`${OK}Content-Length: 9\r\n\r\nhello wor`, 30);
  for await (const _ of got!.body) break;
  assertEquals(connection.isOpen, false);
});
