import { assertEquals, assertRejects } from "@std/assert";
import { ByteReader } from "../../../src/api/byte_stream.ts";
import { Body } from "../../../src/api/http_body.ts";
import { ApiError } from "../../../src/api/http_head.ts";
import { MemoryStream } from "./memory_stream.ts";

function chunked(...parts: string[]): Body {
  return new Body(new ByteReader(new MemoryStream(...parts)), { kind: "chunked" });
}

async function text(body: Body): Promise<string> {
  return new TextDecoder().decode(await body.all(1000));
}

Deno.test("a body of a known length ends there, however it arrives", async () => {
  const reader = new ByteReader(new MemoryStream("he", "llo", "rest"));
  assertEquals(await text(new Body(reader, { kind: "length", bytes: 5 })), "hello");
  assertEquals(new TextDecoder().decode(await reader.some(9)), "rest");
});

Deno.test("a chunked body is put together, its extensions and trailer left out", async () => {
  const whole = "3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n";
  assertEquals(await text(chunked(whole)), "abc0123456789");
  assertEquals(await text(chunked(...whole)), "abc0123456789"); // a byte at a time
});

const BAD: [what: string, text: string][] = [
  ["a size that is no number", "x\r\n"],
  ["a negative size", "-1\r\na\r\n"],
  ["a size with 0x", "0x1\r\na\r\n0\r\n\r\n"],
  ["a size with a sign", "+1\r\na\r\n0\r\n\r\n"],
  ["a size that no number holds", `${"f".repeat(13)}\r\n`],
  ["no size", "\r\n"],
  ["a chunk that is longer than it said", "1\r\nab\r\n0\r\n\r\n"],
  ["a line that ends in LF only", "1\na\r\n0\r\n\r\n"],
  ["an end in a chunk", "5\r\nab"],
  ["an end before the last chunk", "1\r\na\r\n"],
  ["an end in the trailer", "0\r\nA: b\r\n"],
  ["a line without an end", `1;${"a".repeat(5000)}`],
  ["a trailer without an end", `0\r\n${"A: b\r\n".repeat(200)}\r\n`],
];
for (const [what, sent] of BAD) {
  Deno.test(`a chunked body with ${what} is refused`, async () => {
    const error = await assertRejects(() => text(chunked(sent)), ApiError);
    assertEquals(error.status, 400);
  });
}

Deno.test("a body that is cut off or too large is refused", async () => {
  const reader = () => new ByteReader(new MemoryStream("abc"));
  const short = new Body(reader(), { kind: "length", bytes: 4 });
  assertEquals((await assertRejects(() => text(short), ApiError)).status, 400);
  const large = new Body(reader(), { kind: "length", bytes: 3 });
  assertEquals((await assertRejects(() => large.all(2), ApiError)).status, 413);
});

Deno.test("json() reads a value, and refuses what is none; jsonIfAny() takes nothing, too", async () => {
  const of = (sent: string) =>
    new Body(new ByteReader(new MemoryStream(sent)), { kind: "length", bytes: sent.length });
  assertEquals(await of('{"a":[1]}').json(), { a: [1] });
  assertEquals(await of("").jsonIfAny(), undefined);
  for (const text of ["{", "", " "]) {
    assertEquals((await assertRejects(() => of(text).json(), ApiError)).status, 400);
  }
  await assertRejects(() => of("{").jsonIfAny(), ApiError);
});

Deno.test("the sender is told to go on before the first byte is read, once", async () => {
  let told = 0;
  const goOn = () => Promise.resolve(void told++);
  const reader = new ByteReader(new MemoryStream("a", "b"));
  const body = new Body(reader, { kind: "length", bytes: 2 }, goOn);
  assertEquals(await text(body), "ab");
  assertEquals(told, 1);
  const unread = new Body(new ByteReader(new MemoryStream()), { kind: "length", bytes: 2 }, goOn);
  assertEquals(await unread.skip(), false);
  assertEquals(told, 1);
});
