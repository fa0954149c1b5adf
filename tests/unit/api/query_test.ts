import { assertEquals, assertThrows } from "@std/assert";
import { ApiError } from "../../../src/api/http_head.ts";
import { Query } from "../../../src/api/query.ts";

Deno.test("flag() takes what docker's daemon takes for a yes", () => {
  const query = new Query("a=1&b=0&c=false&d=&e=no&f=none&g=True&h=x&i");
  const yes = [..."abcdefghi"].filter((name) => query.flag(name));
  assertEquals(yes, ["a", "g", "h"]);
  assertEquals([query.flag("z"), query.flag("z", true), query.flag("b", true)], [
    false,
    true,
    false,
  ]);
});

Deno.test("integer() reads numbers, and refuses what is none", () => {
  const query = new Query("a=10&b=-1&c=&d=x&e=1.5");
  assertEquals([query.integer("a"), query.integer("b"), query.integer("c"), query.integer("z")], [
    10,
    -1,
    undefined,
    undefined,
  ]);
  for (const name of ["d", "e"]) {
    assertEquals(assertThrows(() => query.integer(name), ApiError).status, 400);
  }
});

function filters(value: unknown) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return Object.fromEntries(new Query(`filters=${encodeURIComponent(text)}`).filters());
}

Deno.test("filters() reads lists and the older sets", () => {
  assertEquals(filters({ status: ["exited", "created"], label: { "a=b": true } }), {
    status: ["exited", "created"],
    label: ["a=b"],
  });
  assertEquals(new Query("").filters().size, 0);
});

Deno.test("filters() refuses what are none", () => {
  for (const bad of ["{", "[]", '"a"', { a: 1 }, { a: [1] }, { a: null }, "null"]) {
    assertEquals(assertThrows(() => filters(bad), ApiError).status, 400);
  }
});
