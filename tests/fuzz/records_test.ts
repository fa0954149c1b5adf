/** Bytes that others may have torn: log files, and netlink's answers. */
import { assert, assertEquals } from "@std/assert";
import { SyscallError } from "../../ffi/errno.ts";
import {
  attributeNumber,
  attributeText,
  decodeReplies,
  parseAttributes,
} from "../../ffi/netlink_message.ts";
import { parseLink, parseRoute } from "../../ffi/rtnetlink.ts";
import { offsetOfLastLines, parseRecords } from "../../src/engine/log_records.ts";
import {
  CHUNK_BYTES,
  FOOTER_BYTES,
  HEADER_BYTES,
  MARK,
} from "../../src/runtime/monitor_protocol.ts";
import { fuzzTest, mutateBytes } from "../lib/fuzz.ts";
import { below, type Random } from "../lib/random.ts";

/** A log of a few records, as a monitor writes it. */
function log(random: Random): Uint8Array<ArrayBuffer> {
  const parts = Array.from({ length: 1 + below(random, 6) }, (_, i) => {
    const length = below(random, 40);
    const record = new Uint8Array(HEADER_BYTES + length + FOOTER_BYTES);
    const view = new DataView(record.buffer);
    view.setUint32(0, MARK | (1 + i % 2), true);
    view.setUint32(4, length, true);
    view.setUint32(HEADER_BYTES + length, length, true);
    record.fill(97 + i, HEADER_BYTES, HEADER_BYTES + length);
    if (length > 0) record[HEADER_BYTES + length - 1] = 10;
    return record;
  });
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

fuzzTest({
  name: "log files: any bytes are read to an end, and no record is longer than one can be",
  rounds: 1500,
  make: (random) => mutateBytes(random, log(random)),
  check: (bytes) => {
    const { records, used } = parseRecords(bytes);
    assert(used >= 0 && used <= bytes.length);
    const total = records.reduce((sum, record) => sum + record.bytes.length, 0);
    assert(total <= bytes.length);
    for (const record of records) assert(record.bytes.length <= CHUNK_BYTES);
    const file = {
      size: bytes.length,
      read: (offset: number, length: number) => bytes.slice(offset, offset + length),
    };
    const offset = offsetOfLastLines(file, 2);
    assert(offset >= 0 && offset <= bytes.length);
  },
});

/** Two answers of the kernel: a link, and an error. */
const ANSWER = new Uint8Array([
  ...[60, 0, 0, 0, 16, 0, 2, 0, 1, 0, 0, 0, 9, 0, 0, 0], // nlmsghdr, RTM_NEWLINK, multi
  ...[0, 0, 1, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], // ifinfomsg
  ...[8, 0, 3, 0, 101, 116, 104, 48, 8, 0, 4, 0, 220, 5, 0, 0], // IFLA_IFNAME, IFLA_MTU
  ...[12, 0, 18, 128, 8, 0, 1, 0, 118, 108, 97, 110], // IFLA_LINKINFO, nested
  ...[36, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 255, 255, 255, 255], // NLMSG_ERROR, -EPERM
  ...[20, 0, 0, 0, 16, 0, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0],
]);

fuzzTest({
  name: "netlink: any datagram is decoded to an end or refused",
  rounds: 4000,
  make: (random) => mutateBytes(random, ANSWER),
  check: (bytes) => {
    try {
      for (const reply of decodeReplies(bytes)) {
        if (!("body" in reply) || !(reply.body instanceof Uint8Array)) continue;
        parseLink(reply.body);
        parseRoute(reply.body);
        for (const value of parseAttributes(reply.body).values()) {
          attributeNumber(value);
          assertEquals(typeof (attributeText(value) ?? ""), "string");
        }
      }
    } catch (error) {
      assert(error instanceof RangeError || error instanceof SyscallError, `${error}`);
    }
  },
});
