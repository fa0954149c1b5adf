/** What the maps of names hold. */
import { assertEquals } from "@std/assert";
import { parseIp } from "../../../src/net/address.ts";
import { NAME_KEY, NAME_VALUE } from "../../../src/net/dns_layout.ts";
import {
  addressesValue,
  containerValue,
  type Elements,
  linkedNames,
  linksIn,
  nameKey,
  reachableServers,
  reverseName,
  scopeOf,
  scopesOf,
  wireName,
} from "../../../src/net/dns_records.ts";
import { servedResolvConf } from "../../../src/net/resolv_conf.ts";
import type { EndpointState, NetworkState } from "../../../src/net/state.ts";

const ID = "0123456789abcdef".repeat(4);

const WIRE: [name: string, most: number, want: number[] | undefined][] = [
  ["Ab.c", 20, [2, 97, 98, 1, 99, 0]],
  ["ab.c.", 6, [2, 97, 98, 1, 99, 0]],
  ["ab.c", 5, undefined],
  ["a..b", 20, undefined],
  ["", 20, undefined],
  ["a".repeat(64), 200, undefined],
];
for (const [name, most, want] of WIRE) {
  Deno.test(`wireName() of "${name}" in ${most} bytes`, () => {
    assertEquals(wireName(name, most), want && new Uint8Array(want));
  });
}

Deno.test("nameKey() has the scope, then the name", () => {
  const key = nameKey(scopeOf(ID), "web")!;
  assertEquals(key.subarray(0, 8), new Uint8Array([0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 1]));
  assertEquals([...key.subarray(8, 14)], [3, 119, 101, 98, 0, 0]);
  assertEquals(key.length, NAME_KEY.bytes);
});

Deno.test("reverseName() of both families", () => {
  assertEquals(reverseName(parseIp("10.1.2.3")!), "3.2.1.10.in-addr.arpa");
  assertEquals(
    reverseName(parseIp("fd00::1:2")!),
    `2.0.0.0.1.0.0.0.${"0.".repeat(20)}0.0.d.f.ip6.arpa`,
  );
});

Deno.test("addressesValue() leaves out what is too much", () => {
  const ips = Array.from({ length: 20 }, (_, i) => parseIp(`10.0.0.${i}`)!);
  const value = addressesValue([...ips, parseIp("::1")!]);
  assertEquals([value[NAME_VALUE.count4], value[NAME_VALUE.count6]], [NAME_VALUE.most4, 1]);
  assertEquals(value.length, NAME_VALUE.bytes);
});

function endpoint(more: Partial<EndpointState>): EndpointState {
  return { networkId: ID, dnsNames: ["x"], links: [], gwPriority: 0, ...more } as EndpointState;
}
const at = (ip: string, gateway: string) => ({ ip, prefix: 24, gateway });

Deno.test("reachableServers() takes the near interface, else the way out", () => {
  const inner = endpoint({ ipv4: at("10.2.0.2", "") });
  const outer = endpoint({ ipv4: at("10.1.0.2", "10.1.0.1") });
  const links = [[10, 2, 0, 2], [10, 1, 0, 2]]
    .map((ip, i) => ({ source: new Uint8Array(ip), index: i + 5 }));
  const servers = ["10.2.0.9", "192.0.2.1"].map((ip) => parseIp(ip)!);
  assertEquals(reachableServers(servers, [inner, outer], links).map(({ index }) => index), [5, 6]);
  assertEquals(reachableServers(servers, [inner], links).map(({ index }) => index), [5]);
});

Deno.test("linksIn() finds the interfaces that containerValue() notes", () => {
  const links = [{ source: new Uint8Array([10, 1, 0, 2]), index: 9 }];
  const value = containerValue({ scopes: [ID], servers: [], keepsBareNames: true, links });
  assertEquals(linksIn(value), links);
});

Deno.test("linkedNames() are the linking container's own, and come first", () => {
  const other = {
    owner: { id: "ff".repeat(32) },
    name: "web",
    hostname: "h",
    endpoints: [endpoint({ ipv4: at("10.1.0.2", "") })],
  } as unknown as NetworkState;
  const own = {
    owner: { id: "ee".repeat(32) },
    endpoints: [endpoint({ links: ["web:db"], ipv4: at("10.1.0.3", "") })],
  } as unknown as NetworkState;
  const elements: Elements = new Map();
  linkedNames(elements, own, [own, other]);
  const names = ["db", "h", "web"].map((name) => nameKey(scopeOf(own.owner.id), name));
  assertEquals([...elements.values()].map(({ key }) => key), names);
  assertEquals(scopesOf(own), [own.owner.id, ID]);
});

const HOST = "nameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch example.com\noptions edns0\n";
const network = { ipv6: () => true };
const none = { dns: [], search: [], options: [] };

Deno.test("servedResolvConf() has docker's server and tells of the others", () => {
  const { text, servers, keepsBareNames } = servedResolvConf(HOST, none, network);
  const lines = text.split("\n").filter((line) => !line.startsWith("# Made") && line !== "");
  assertEquals(lines.slice(1), [
    "nameserver 127.0.0.11",
    "search example.com",
    "options edns0 ndots:0",
    "# ExtServers: [192.0.2.1 2001:db8::1]",
  ]);
  assertEquals(servers, [new Uint8Array([192, 0, 2, 1])]);
  assertEquals(keepsBareNames, false);
});

Deno.test("servedResolvConf() keeps the user's ndots", () => {
  const served = servedResolvConf(HOST, { ...none, options: ["ndots:2"] }, network);
  assertEquals(served.keepsBareNames, true);
  assertEquals(served.text.includes("options ndots:2\n"), true);
  assertEquals(
    servedResolvConf(HOST, { ...none, options: ["ndots:0"] }, network).keepsBareNames,
    false,
  );
});
