import { assertEquals } from "@std/assert";
import { formatIp, isLoopback, isMac, parseIp } from "../../../src/base/ip.ts";

const CANONICAL: [text: string, want: string | undefined][] = [
  ["127.0.0.1", "127.0.0.1"],
  ["0.0.0.0", "0.0.0.0"],
  ["255.255.255.255", "255.255.255.255"],
  ["256.1.1.1", undefined],
  ["010.1.1.1", undefined],
  ["1.2.3", undefined],
  ["1.2.3.4.5", undefined],
  ["", undefined],
  ["host", undefined],
  ["::", "::"],
  ["::1", "::1"],
  ["0:0:0:0:0:0:0:1", "::1"],
  ["2001:0DB8::0001", "2001:db8::1"],
  ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
  ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
  ["fe80::1%eth0", undefined],
  ["::ffff:1.2.3.4", "1.2.3.4"],
  ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
  ["1::2::3", undefined],
  ["1:2:3:4:5:6:7:8:9", undefined],
  ["1:2:3:4:5:6:7::8", undefined],
  ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  [":1", undefined],
  ["12345::", undefined],
];
for (const [text, want] of CANONICAL) {
  Deno.test(`formatIp() of parseIp() is ${want} for "${text}"`, () => {
    const address = parseIp(text);
    assertEquals(address && formatIp(address), want);
  });
}

const LOOPBACK: [text: string, want: boolean][] = [
  ["127.9.9.9", true],
  ["128.0.0.1", false],
  ["::1", true],
  ["::2", false],
  ["::ffff:127.0.0.1", true],
];
for (const [text, want] of LOOPBACK) {
  Deno.test(`isLoopback() is ${want} for ${text}`, () => {
    assertEquals(isLoopback(parseIp(text)!), want);
  });
}

const MACS: [text: string, want: boolean][] = [
  ["02:42:ac:11:00:02", true],
  ["02-42-AC-11-00-02", true],
  ["0242.ac11.0002", true],
  ["02:42:ac:11:00:02:00:01", true],
  ["02:42-ac:11:00:02", false],
  ["02:42:ac:11:00", false],
  ["zz:42:ac:11:00:02", false],
  ["", false],
];
for (const [text, want] of MACS) {
  Deno.test(`isMac() is ${want} for "${text}"`, () => assertEquals(isMac(text), want));
}
