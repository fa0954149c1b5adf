import { assertEquals, assertThrows } from "@std/assert";
import { parseExpose, parsePublish } from "../../../../src/cli/flags/ports.ts";

/** Bindings in short: "80/tcp" -> ["ip|port", …]. */
function short(specs: string[]): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(parsePublish(specs)).map(([port, bindings]) => [
      port,
      bindings!.map(({ HostIp, HostPort }) => `${HostIp}|${HostPort}`),
    ]),
  );
}

const PUBLISHED: [specs: string[], want: Record<string, string[]>][] = [
  [["80"], { "80/tcp": ["|"] }],
  [[":80"], { "80/tcp": ["|"] }],
  [["81:80"], { "80/tcp": ["|81"] }],
  [["0:80"], { "80/tcp": ["|0"] }],
  [["127.0.0.1:82:80"], { "80/tcp": ["127.0.0.1|82"] }],
  [["127.0.0.1::80"], { "80/tcp": ["127.0.0.1|"] }],
  [["83:80/udp"], { "80/udp": ["|83"] }],
  [["80:80/TCP"], { "80/tcp": ["|80"] }],
  [["80:80/sctp"], { "80/sctp": ["|80"] }],
  [["80/"], { "80/tcp": ["|"] }],
  [["[::1]:80:80"], { "80/tcp": ["::1|80"] }],
  [["::1:80:80"], { "80/tcp": ["::1|80"] }],
  [["8000-8002:80-82"], { "80/tcp": ["|8000"], "81/tcp": ["|8001"], "82/tcp": ["|8002"] }],
  [["8000-8010:80"], { "80/tcp": ["|8000-8010"] }],
  [["80-81"], { "80/tcp": ["|"], "81/tcp": ["|"] }],
  [["80:80", "81:80"], { "80/tcp": ["|80", "|81"] }],
  [["published=1,target=2,protocol=udp"], { "2/udp": ["|1"] }],
  [["target=2"], { "2/tcp": ["|"] }],
];
for (const [specs, want] of PUBLISHED) {
  Deno.test(`parsePublish() reads ${specs.join(" and ")}`, () => {
    assertEquals(short(specs), want);
  });
}

const REFUSED: [spec: string, error: string][] = [
  ["abc", "invalid containerPort: abc"],
  ["80-", "invalid containerPort: 80-"],
  ["80:70000", "invalid containerPort: 70000"],
  ["99999:80", "invalid hostPort: 99999"],
  ["82-80:1", "invalid hostPort: 82-80"],
  ["80:80/foo", "invalid proto: foo"],
  ["300.1.1.1:80:80", "invalid IP address: 300.1.1.1"],
  ["[::1:80:80", "invalid IP address [::1: address [::1:: missing ']' in address"],
  ["[::1]x:80:80", "invalid IP address [::1]x: address [::1]x:: missing port in address"],
  ["80:", "no port specified: 80:<empty>"],
  ["/", "no port specified: /<empty>"],
  ["", "no port specified: <empty>"],
  [
    "80-82:1-2",
    "invalid ranges specified for container and host Ports: 1-2 and 80-82",
  ],
  ["=x", "invalid publish opts format (should be name=value but got '=x')"],
];
for (const [spec, error] of REFUSED) {
  Deno.test(`parsePublish() refuses "${spec}"`, () => {
    assertEquals(assertThrows(() => parsePublish([spec])).message, error);
  });
}

Deno.test("parseExpose() reads ports, protocols and ranges", () => {
  assertEquals(parseExpose(["80", "81/UDP", "1-3", "5/"]), [
    "80/tcp",
    "81/udp",
    "1/tcp",
    "2/tcp",
    "3/tcp",
    "5/tcp",
  ]);
});

const NOT_EXPOSED: [spec: string, error: string][] = [
  ["80:80", "invalid port format for --expose: 80:80"],
  ["", "invalid range format for --expose: , error: empty string specified for ports"],
  ["5-3", "invalid range format for --expose: 5-3, error: invalid range specified for port: 5-3"],
  [
    "70000",
    'invalid range format for --expose: 70000, error: strconv.ParseUint: parsing "70000": ' +
    "value out of range",
  ],
  [
    "a",
    'invalid range format for --expose: a, error: strconv.ParseUint: parsing "a": invalid syntax',
  ],
  ["80/foo", "invalid proto: foo"],
];
for (const [spec, error] of NOT_EXPOSED) {
  Deno.test(`parseExpose() refuses "${spec}"`, () => {
    assertEquals(assertThrows(() => parseExpose([spec])).message, error);
  });
}
