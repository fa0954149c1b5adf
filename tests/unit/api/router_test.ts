import { assertEquals, assertThrows } from "@std/assert";
import { ApiError } from "../../../src/api/http_head.ts";
import { Router } from "../../../src/api/router.ts";
import { ROUTES } from "../../../src/api/routes.ts";

const nothing = () => Promise.resolve(() => Promise.resolve());
const router = new Router([
  ["GET", "/containers/json", nothing],
  ["GET", "/containers/{id}/json", nothing],
  ["GET", "/images/{name...}/json", nothing],
]);
const match = (path: string, method = "GET") => router.match({ method, path });
const refused = (path: string, method?: string) =>
  assertThrows(() => match(path, method), ApiError);

Deno.test("match() finds parts of a path, decoded", () => {
  assertEquals(match("/containers/a%20b/json").parts, { id: "a b" });
  assertEquals(match("/images/registry:5000/a/b:1/json").parts, { name: "registry:5000/a/b:1" });
  assertEquals(match("/containers/json").parts, {});
});

Deno.test("match() takes the version off a path", () => {
  assertEquals(match("/v1.41/containers/json").minor, 41);
  assertEquals(match("/v1.24/containers/json").minor, 24);
  assertEquals(match("/containers/json").minor, 50);
});

Deno.test("match() refuses versions that are not spoken, in docker's words", () => {
  const old = refused("/v1.23/containers/json"), recent = refused("/v1.99/containers/json");
  assertEquals([old.status, recent.status, refused("/v2.0/containers/json").status], [
    400,
    400,
    400,
  ]);
  assertEquals(
    recent.message,
    "client version 1.99 is too new. Maximum supported API version is 1.50",
  );
  assertEquals(
    old.message,
    "client version 1.23 is too old. Minimum supported API version is 1.24, " +
      "please upgrade your client to a newer version",
  );
});

Deno.test("match() has nothing for other paths and methods", () => {
  for (const path of ["/", "/containers", "/containers/a/b/json", "/containers//json", "/v1.41"]) {
    assertEquals([refused(path).status, refused(path).message], [404, "page not found"]);
  }
  assertEquals(refused("/containers/json", "POST").status, 404);
  assertEquals(refused("/%ff").status, 400);
});

Deno.test("every row of the table is found, and has a handler", async () => {
  const table = new Router(ROUTES);
  for (const [method, pattern, load] of ROUTES) {
    const path = pattern.replace(/\{\w+(\.\.\.)?\}/g, "x");
    assertEquals(table.match({ method, path }).load, load, `${method} ${pattern}`);
    assertEquals(typeof await load(), "function", `${method} ${pattern}`);
  }
});
