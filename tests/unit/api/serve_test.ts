import { assertEquals, assertMatch } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { type Handler, Router } from "../../../src/api/router.ts";
import { serve } from "../../../src/api/serve.ts";
import { RAW_STREAM } from "../../../src/api/exchange.ts";
import { MemoryStream } from "./memory_stream.ts";

const handlers: Record<string, Handler> = {
  "/hello": (exchange) => exchange.json(200, "hello"),
  "/echo": async (exchange) => exchange.json(200, await exchange.body.json()),
  "/missing": () => Promise.reject(new UserError("No such container: x")),
  "/stream": async (exchange) => {
    const answer = await exchange.start(200, "text/plain");
    for (const piece of ["one", "", "two"]) await answer.write(piece);
    await answer.end();
  },
  "/torn": async (exchange) => {
    await (await exchange.start(200, "text/plain")).write("one");
    throw new UserError("it broke");
  },
  "/hijack": async (exchange) => {
    const stream = await exchange.hijack(RAW_STREAM);
    for (let bytes = await stream.read(); bytes; bytes = await stream.read()) {
      await stream.write(bytes);
    }
  },
};
const routes = ["GET", "POST", "HEAD"].flatMap((method) =>
  Object.entries(handlers).map(([path, handler]) =>
    [method, path, () => Promise.resolve(handler)] as const
  )
);
const router = new Router(routes);

/** What a client gets for what it sends, without the headers that every answer has. */
async function talk(...parts: string[]): Promise<string> {
  const stream = new MemoryStream(...parts);
  await serve(stream, router);
  return stream.written.replace(/(Api-Version|Docker-Experimental|Ostype|Server): .*\r\n/g, "");
}

const HELLO = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n";

Deno.test("requests on one connection are answered one after another", async () => {
  const get = "GET /hello HTTP/1.1\r\nHost: d\r\n\r\n";
  const hello = `${HELLO}\r\n"hello"\n`;
  assertEquals(await talk(get + get, get), hello + hello + hello);
});

Deno.test("a request may arrive in any pieces", async () => {
  const text =
    "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n";
  assertMatch(await talk(...text), /\r\n\r\n\[1\]\n$/);
});

Deno.test("a connection that shall close, closes", async () => {
  const answer = await talk(
    "GET /hello HTTP/1.1\r\nConnection: close\r\n\r\nGET /hello HTTP/1.1\r\n",
  );
  assertEquals(answer, `${HELLO}Connection: close\r\n\r\n"hello"\n`);
});

Deno.test("HEAD has the headers and no body", async () => {
  assertEquals(await talk("HEAD /hello HTTP/1.1\r\n\r\n"), `${HELLO}\r\n`);
});

Deno.test("a body that nobody wanted is not the next request", async () => {
  const body = "GET /missing HTTP/1.1\r\n\r\n";
  const first = `POST /hello HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const answer = await talk(first + "GET /hello HTTP/1.1\r\n\r\n");
  assertEquals(answer.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200", "HTTP/1.1 200"]);
});

Deno.test("who waits for the word gets it when the body is read, and only then", async () => {
  const wait = (path: string) =>
    `POST ${path} HTTP/1.1\r\nExpect: 100-continue\r\n` +
    "Content-Length: 3\r\n\r\n";
  assertMatch(await talk(wait("/echo"), '"a"'), /^HTTP\/1\.1 100 \r\n\r\nHTTP\/1\.1 200 OK/);
  const refused = await talk(wait("/hello"), '"a"');
  assertEquals(refused, `${HELLO}Connection: close\r\n\r\n"hello"\n`);
});

Deno.test("a refusal is told with docker's status, and the connection goes on", async () => {
  const answer = await talk("GET /missing HTTP/1.1\r\n\r\nGET /hello HTTP/1.1\r\n\r\n");
  assertMatch(answer, /^HTTP\/1\.1 404 Not Found\r\n/);
  assertMatch(answer, /\{"message":"No such container: x"\}\nHTTP\/1\.1 200 OK/);
});

Deno.test("a path that is not there is a 404 of docker's", async () => {
  assertMatch(await talk("GET /nothing HTTP/1.1\r\n\r\n"), /404 .*\{"message":"page not found"\}/s);
});

const BAD: [what: string, text: string, status: number][] = [
  ["what is no request", "hello\r\n\r\n", 400],
  ["a TLS greeting", "\x16\x03\x01\x02\x00\x01\r\n\r\n", 400],
  [
    "two ways to tell the end",
    "POST /echo HTTP/1.1\r\nContent-Length: 4\r\n" +
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    400,
  ],
  ["lines that end in LF only", "GET /hello HTTP/1.1\nHost: d\n\n", 400],
  ["a head that ends in the middle", "GET /hello HTTP/1.1\r\nHost", 400],
  ["a head without an end", `GET /hello HTTP/1.1\r\nA: ${"a".repeat(70_000)}`, 431],
  [
    "many headers that are too much",
    `GET /hello HTTP/1.1\r\n${
      `A: ${"a".repeat(2000)}\r\n`
        .repeat(50)
    }\r\n`,
    431,
  ],
];
for (const [what, text, status] of BAD) {
  Deno.test(`${what}: answered with ${status}, and what follows is nobody's`, async () => {
    const answer = await talk(text, "\r\n\r\nGET /hello HTTP/1.1\r\n\r\n");
    assertEquals(answer.match(/HTTP\/1\.1 \d+/g), [`HTTP/1.1 ${status}`]);
    assertMatch(answer, /Connection: close\r\n/);
  });
}

Deno.test("a bad chunk ends the connection, for nobody knows where the next request begins", async () => {
  const sent = "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
  const answer = await talk(`${sent}GET /hello HTTP/1.1\r\n\r\n`);
  assertEquals(answer.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 400"]);
});

Deno.test("a stream comes in chunks, and the connection goes on", async () => {
  const answer = await talk("GET /stream HTTP/1.1\r\n\r\nGET /hello HTTP/1.1\r\n\r\n");
  assertMatch(answer, /chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\nHTTP\/1\.1 200/);
});

Deno.test("a stream for HTTP/1.0 ends with the connection", async () => {
  const answer = await talk("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  assertMatch(answer, /Connection: close\r\n\r\nonetwo$/);
});

Deno.test("a stream that broke has no end, and the connection does", async () => {
  const answer = await talk("GET /torn HTTP/1.1\r\n\r\nGET /hello HTTP/1.1\r\n\r\n");
  assertMatch(answer, /3\r\none\r\n$/);
});

Deno.test("hijack() upgrades who asks for it, and keeps what came behind the head", async () => {
  const upgrade = "POST /hijack HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nfirst";
  assertEquals(
    await talk(upgrade, " second"),
    `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${RAW_STREAM}\r\nConnection: Upgrade\r\n` +
      "Upgrade: tcp\r\n\r\nfirst second",
  );
  assertEquals(
    await talk("POST /hijack HTTP/1.1\r\n\r\n", "x"),
    `HTTP/1.1 200 OK\r\nContent-Type: ${RAW_STREAM}\r\n\r\nx`,
  );
});
