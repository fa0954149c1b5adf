import { assertEquals } from "@std/assert";
import {
  addressAt,
  contains,
  macOf,
  overlap,
  parseIp,
  parseMac,
  parseSubnet,
  showIp,
  showMac,
  showSubnet,
  subnetSize,
} from "../../../src/net/address.ts";

const SUBNETS: [text: string, shown: string | undefined, size: number][] = [
  ["10.1.2.3/16", "10.1.0.0/16", 65536],
  ["10.1.2.3/32", "10.1.2.3/32", 1],
  ["10.1.2.3/27", "10.1.2.0/27", 32],
  ["0.0.0.0/0", "0.0.0.0/0", 2 ** 32],
  ["fd00::1/64", "fd00::/64", 2 ** 32],
  ["fd00::ff/124", "fd00::f0/124", 16],
  ["10.1.2.3/33", undefined, 0],
  ["10.1.2.3", undefined, 0],
  ["10.1.2.3/x", undefined, 0],
];
for (const [text, shown, size] of SUBNETS) {
  Deno.test(`parseSubnet() reads "${text}" as ${shown}`, () => {
    const subnet = parseSubnet(text);
    assertEquals(subnet && showSubnet(subnet), shown);
    if (subnet) assertEquals(subnetSize(subnet), size);
  });
}

const OVERLAPS: [a: string, b: string, want: boolean][] = [
  ["10.0.0.0/8", "10.1.0.0/16", true],
  ["10.1.0.0/16", "10.0.0.0/8", true],
  ["10.1.0.0/16", "10.2.0.0/16", false],
  ["fd00::/8", "fd12::/64", true],
  ["0.0.0.0/0", "fd12::/64", false],
];
for (const [a, b, want] of OVERLAPS) {
  Deno.test(`overlap() of ${a} and ${b} is ${want}`, () => {
    assertEquals(overlap(parseSubnet(a)!, parseSubnet(b)!), want);
  });
}

Deno.test("addressAt() carries over byte borders", () => {
  assertEquals(showIp(addressAt(parseSubnet("10.1.0.0/16")!, 258)), "10.1.1.2");
  assertEquals(showIp(addressAt(parseSubnet("fd00::fff0/124")!, 15)), "fd00::ffff");
});

Deno.test("contains() is false across families", () => {
  assertEquals(contains(parseSubnet("0.0.0.0/0")!, parseIp("::1")!), false);
});

Deno.test("macOf() is the same for the same address", () => {
  assertEquals(showMac(macOf(parseIp("172.17.0.2")!)), "02:42:ac:11:00:02");
});

Deno.test("parseMac() takes both separators and refuses the rest", () => {
  assertEquals(showMac(parseMac("02-42-AC-11-00-02")!), "02:42:ac:11:00:02");
  assertEquals(parseMac("02:42:ac:11:00"), undefined);
});
