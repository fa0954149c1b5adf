import { assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "../../../ffi/errno.ts";
import { exchange } from "../../../ffi/netlink_steps.ts";
import type { Message } from "../../../ffi/netlink_message.ts";
import type { Block } from "../../../ffi/program.ts";
import type { Ran } from "../../../ffi/spawn.ts";

const EEXIST = 17;
const EINVAL = 22;
const MESSAGES: Message[] = ["set an address", "set the default route"].map((goal, i) => ({
  goal,
  type: 20,
  flags: 0,
  body: new Uint8Array(8),
  allow: i === 0 ? [EEXIST] : [],
}));

/** What a run leaves in the blocks that its `recvfrom` steps are about: acks with these errors. */
function answered(errnos: readonly number[]): Ran {
  const { steps } = EXCHANGE;
  const blocks = steps.slice(1).map(({ args }) => (args[1] as { block: Block }).block);
  const read = (of: Block) => {
    const bytes = new Uint8Array(of.bytes.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 36, true);
    view.setUint16(4, 2, true); // NLMSG_ERROR
    view.setInt32(16, -errnos[blocks.indexOf(of)], true);
    return bytes;
  };
  return { error: undefined, read };
}

const EXCHANGE = exchange(5, MESSAGES);

Deno.test("exchange() sends once and waits for each answer", () => {
  assertEquals(EXCHANGE.steps.map(({ call }) => call), ["sendto", "recvfrom", "recvfrom"]);
});

Deno.test("Exchange.check() is content with acks, and with errors that a request allows", () => {
  EXCHANGE.check(answered([0, 0]));
  EXCHANGE.check(answered([EEXIST, 0]));
});

Deno.test("Exchange.check() tells what the kernel refused", () => {
  const said = "Cannot set the default route: netlink: EEXIST";
  assertThrows(() => EXCHANGE.check(answered([0, EEXIST])), SyscallError, said);
  assertThrows(() => EXCHANGE.check(answered([EINVAL, EEXIST])), SyscallError, "set an address");
});
