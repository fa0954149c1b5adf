import { assertEquals, assertThrows } from "@std/assert";
import { means, parseRemoval } from "../../../src/net/removal.ts";

const PORT = (hostIp: string, hostPort = 8080, protocol = "tcp") => ({
  protocol,
  hostIp,
  hostPort,
});

const CASES: [text: string, port: ReturnType<typeof PORT>, want: boolean][] = [
  ["8080", PORT("0.0.0.0"), true],
  ["8080", PORT("127.0.0.1"), true],
  ["8080/udp", PORT("0.0.0.0"), false],
  ["8080/udp", PORT("0.0.0.0", 8080, "udp"), true],
  ["8081", PORT("0.0.0.0"), false],
  ["127.0.0.1:8080", PORT("127.0.0.1"), true],
  ["127.0.0.1:8080", PORT("0.0.0.0"), false],
  ["0.0.0.0:8080", PORT("::"), true],
  ["[::1]:8080", PORT("::1"), true],
  ["::1:8080", PORT("::1"), true],
];
for (const [text, port, want] of CASES) {
  Deno.test(`means() of "${text}" and ${port.protocol} ${port.hostIp} is ${want}`, () => {
    assertEquals(means(parseRemoval(text), port), want);
  });
}

Deno.test("parseRemoval() refuses what is no port of the host", () => {
  assertThrows(() => parseRemoval("web"), Error, "invalid host port: web");
  assertThrows(() => parseRemoval("1.2.3:80"), Error, "invalid IP address: 1.2.3");
});
