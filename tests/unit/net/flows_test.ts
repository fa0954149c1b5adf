import { assertEquals } from "@std/assert";
import { BodyWriter } from "../../../ffi/netlink_message.ts";
import { leadsTo, parseFlow } from "../../../src/net/flows.ts";

/** A flow as the kernel tells it: 192.0.2.2:4545 to 192.0.2.1:8053. */
function told(protocol: number): Uint8Array {
  return new BodyWriter().u8(2).u8(0).u16(0).nest(1, (tuple) => {
    tuple.nest(1, (ip) => {
      ip.attributeBytes(1, new Uint8Array([192, 0, 2, 2]));
      ip.attributeBytes(2, new Uint8Array([192, 0, 2, 1]));
    });
    tuple.nest(2, (proto) => {
      proto.attributeU8(1, protocol);
      proto.attributeBytes(2, new Uint8Array([0x11, 0xc1]));
      proto.attributeBytes(3, new Uint8Array([0x1f, 0x75]));
    });
  }).attributeBytes(12, new Uint8Array([1, 2, 3, 4])).done();
}

const PORTS: [what: string, protocol: string, hostIp: string, hostPort: number, want: boolean][] = [
  ["the port on every address", "udp", "0.0.0.0", 8053, true],
  ["the port on this address", "udp", "192.0.2.1", 8053, true],
  ["the port on another address", "udp", "127.0.0.1", 8053, false],
  ["the port of the other family", "udp", "::", 8053, false],
  ["another port", "udp", "0.0.0.0", 8054, false],
  ["the port of another protocol", "tcp", "0.0.0.0", 8053, false],
];
for (const [what, protocol, hostIp, hostPort, want] of PORTS) {
  Deno.test(`leadsTo() of a flow and ${what}`, () => {
    assertEquals(leadsTo(parseFlow(told(17))!, { protocol, hostIp, hostPort }), want);
  });
}

Deno.test("parseFlow() reads what names a flow, and leaves what has no ports", () => {
  const flow = parseFlow(told(6))!;
  assertEquals([flow.protocol, flow.port, Array.from(flow.destination)], [6, 8053, [192, 0, 2, 1]]);
  assertEquals(Array.from(flow.id!), [1, 2, 3, 4]);
  assertEquals(parseFlow(new Uint8Array([2, 0, 0, 0])), undefined);
});
