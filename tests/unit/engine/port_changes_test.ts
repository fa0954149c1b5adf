import { assertEquals, assertThrows } from "@std/assert";
import { changeBindings } from "../../../src/engine/container_networks.ts";
import { parseRemoval } from "../../../src/net/removal.ts";

const on = (HostPort: string, HostIp = "") => ({ HostIp, HostPort });
const BINDINGS = {
  "80/tcp": [on("8080"), on("8081", "127.0.0.1"), on("")],
  "53/udp": [on("8080")],
  "90/tcp": [on("9000-9010")],
};
/** A port whose number was chosen at the start. */
const LIVE = (hostPort: number) => [{ protocol: "tcp", hostIp: "0.0.0.0", hostPort }];

const CASES: [
  what: string,
  remove: string,
  live: number | undefined,
  key: string,
  left: string[],
][] = [
  ["the port of that number", "8080", undefined, "80/tcp", ["8081", ""]],
  ["the port of that address", "127.0.0.1:8081", undefined, "80/tcp", ["8080", ""]],
  ["the wish that got the number", "40000", 40000, "80/tcp", ["8080", "8081"]],
  ["the protocol asked for", "8080/udp", undefined, "80/tcp", ["8080", "8081", ""]],
];
for (const [what, remove, live, key, left] of CASES) {
  Deno.test(`changeBindings() takes back ${what}`, () => {
    const ports = live === undefined ? [] : LIVE(live);
    const next = changeBindings(BINDINGS, {}, [parseRemoval(remove)], ports);
    assertEquals(next[key]!.map(({ HostPort }) => HostPort), left);
    assertEquals(next["53/udp"] === undefined, remove.endsWith("/udp"));
  });
}

Deno.test("changeBindings() adds to what a container port has", () => {
  const next = changeBindings(BINDINGS, { "90/tcp": [on("9")] }, []);
  assertEquals(next["90/tcp"], [on("9000-9010"), on("9")]);
  assertEquals(BINDINGS["90/tcp"].length, 1, "the argument stays as it is");
});

Deno.test("changeBindings() refuses a port that is not published", () => {
  const wish = [parseRemoval("7")];
  assertThrows(() => changeBindings(BINDINGS, {}, wish), Error, 'port "7": it is not published');
  assertEquals(changeBindings({}, {}, wish, LIVE(7)), {}, "published by -P: no binding says so");
});
