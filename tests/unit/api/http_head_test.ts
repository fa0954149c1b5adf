import { assertEquals, assertThrows } from "@std/assert";
import { ApiError, bodyKind, parseHead } from "../../../src/api/http_head.ts";

Deno.test("parseHead() reads method, path, query and headers", () => {
  const head = parseHead("POST /v1.43/a%20b?x=1&y HTTP/1.1\r\nHost: docker\r\nX-A:  b c \t");
  assertEquals([head.method, head.path, head.query], ["POST", "/v1.43/a%20b", "x=1&y"]);
  assertEquals([...head.headers], [["host", "docker"], ["x-a", "b c"]]);
  assertEquals([head.keepsAlive, head.isOld], [true, false]);
});

Deno.test("parseHead() takes an absolute form for its path", () => {
  const head = parseHead("GET http://docker:80/_ping?a HTTP/1.1");
  assertEquals([head.path, head.query], ["/_ping", "a"]);
});

Deno.test("parseHead() knows which connections go on", () => {
  const keeps = (text: string) => parseHead(text).keepsAlive;
  assertEquals(keeps("GET / HTTP/1.1\r\nConnection: close"), false);
  assertEquals(keeps("GET / HTTP/1.1\r\nConnection: Upgrade, Close"), false);
  assertEquals(keeps("GET / HTTP/1.0"), false);
  assertEquals(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive"), true);
});

const BAD: [what: string, text: string, status: number][] = [
  ["no version", "GET /", 400],
  ["HTTP/2", "GET / HTTP/2.0", 400],
  ["two blanks", "GET  / HTTP/1.1", 400],
  ["a blank in the path", "GET /a b HTTP/1.1", 400],
  ["bytes above ASCII in the path", "GET /\u00e4 HTTP/1.1", 400],
  ["a path that does not begin at the root", "GET a HTTP/1.1", 400],
  ["an asterisk", "OPTIONS * HTTP/1.1", 400],
  ["a blank before the colon", "GET / HTTP/1.1\r\nHost : a", 400],
  ["a folded header", "GET / HTTP/1.1\r\nA: b\r\n c", 400],
  ["a header without a colon", "GET / HTTP/1.1\r\nA", 400],
  ["a header without a name", "GET / HTTP/1.1\r\n: a", 400],
  ["a NUL in a header", "GET / HTTP/1.1\r\nA: b\0c", 400],
  ["a CR in a header", "GET / HTTP/1.1\r\nA: b\rContent-Length: 5", 400],
  ["two lengths", "GET / HTTP/1.1\r\nContent-Length: 1\r\ncontent-length: 1", 400],
  ["two encodings", "GET / HTTP/1.1\r\nTransfer-Encoding: a\r\nTransfer-Encoding: chunked", 400],
  ["two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b", 400],
  ["too many headers", `GET / HTTP/1.1${"\r\nA: b".repeat(101)}`, 431],
];
for (const [what, text, status] of BAD) {
  Deno.test(`parseHead() refuses ${what}`, () => {
    const error = assertThrows(() => parseHead(text), ApiError);
    assertEquals(error.status, status);
  });
}

function kind(...headers: [string, string][]) {
  return bodyKind({ headers: new Map(headers) });
}

Deno.test("bodyKind() tells how the end of a body is known", () => {
  assertEquals(kind(), { kind: "length", bytes: 0 });
  assertEquals(kind(["content-length", "12"]), { kind: "length", bytes: 12 });
  assertEquals(kind(["transfer-encoding", "Chunked"]), { kind: "chunked" });
});

Deno.test("bodyKind() refuses what two programs could read differently", () => {
  const both: [string, string][] = [["content-length", "5"], ["transfer-encoding", "chunked"]];
  assertEquals(assertThrows(() => kind(...both), ApiError).status, 400);
  for (const length of ["+5", "-1", "5, 5", "0x5", "5 5", "", "1e3", "9".repeat(16)]) {
    assertEquals(assertThrows(() => kind(["content-length", length]), ApiError).status, 400);
  }
  for (const encoding of ["identity", "gzip, chunked", "chunked, chunked", "xchunked"]) {
    assertEquals(assertThrows(() => kind(["transfer-encoding", encoding]), ApiError).status, 501);
  }
});
