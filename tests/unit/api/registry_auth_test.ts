import { assertEquals, assertThrows } from "@std/assert";
import type { Exchange } from "../../../src/api/exchange.ts";
import { ApiError } from "../../../src/api/http_head.ts";
import { givenCredentials, registryCredentials } from "../../../src/api/registry_auth.ts";

const encoded = (value: unknown) =>
  new TextEncoder().encode(JSON.stringify(value)).toBase64({ alphabet: "base64url" });

/** A request with one header. */
function withHeader(name: string, value: string): Exchange {
  return { head: { headers: new Map([[name, value]]) } } as unknown as Exchange;
}

const GIVEN: [name: string, header: string, want: ReturnType<typeof givenCredentials>][] = [
  ["no header", "", null],
  ["null", encoded(null), null],
  ["an empty object", encoded({}), null],
  [
    "a name and a password",
    encoded({ username: "me", password: "?>~ü", serveraddress: "x:5000" }),
    { kind: "password", username: "me", password: "?>~ü" },
  ],
  ["a token", encoded({ identitytoken: "t" }), { kind: "identity", username: "", token: "t" }],
];
for (const [name, header, want] of GIVEN) {
  Deno.test(`givenCredentials() of ${name}`, () => {
    assertEquals(givenCredentials(withHeader("x-registry-auth", header)), want);
  });
}

for (const header of ["%%%", "bm90anNvbg", encoded({ username: 5 }), encoded(["x"])]) {
  Deno.test(`givenCredentials() refuses ${header}`, () => {
    assertThrows(() => givenCredentials(withHeader("x-registry-auth", header)), ApiError);
    assertThrows(
      () => registryCredentials(withHeader("x-registry-config", header), "docker.io"),
      ApiError,
    );
  });
}

Deno.test("registryCredentials() takes those of the registry only", () => {
  const config = encoded({
    "https://index.docker.io/v1/": { username: "hub", password: "1" },
    "localhost:5000": { username: "own", password: "2" },
  });
  const exchange = withHeader("x-registry-config", config);
  const find = (domain: string) => registryCredentials(exchange, domain);
  assertEquals(find("docker.io"), { kind: "password", username: "hub", password: "1" });
  assertEquals(find("localhost:5000"), { kind: "password", username: "own", password: "2" });
  assertEquals(find("localhost:5001"), null);
});
