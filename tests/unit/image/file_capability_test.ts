import { assertEquals } from "@std/assert";
import { capabilityFor } from "../../../src/image/file_capability.ts";

/** The attribute with cap_net_raw, effective; of version 3 with a root. */
function attribute(root?: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(root === undefined ? 20 : 24);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, (root === undefined ? 0x0200_0000 : 0x0300_0000) | 1, true);
  view.setUint32(4, 1 << 13, true);
  if (root !== undefined) view.setUint32(20, root, true);
  return bytes;
}

const CASES: [name: string, value: Uint8Array<ArrayBuffer>, root: number, want: unknown][] = [
  ["names the root of a range", attribute(), 2147483648, attribute(2147483648)],
  ["renames it", attribute(100000), 2147483648, attribute(2147483648)],
  ["leaves it out for our own root", attribute(100000), 0, attribute()],
  ["keeps what it does not know", new Uint8Array(12), 5, new Uint8Array(12)],
];
for (const [name, value, root, want] of CASES) {
  Deno.test(`capabilityFor() ${name}`, () => assertEquals(capabilityFor(value, root), want));
}
