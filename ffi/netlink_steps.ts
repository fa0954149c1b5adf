/** Netlink requests as steps: a child asks the kernel for them while this thread goes on. */
import { decodeReplies, encodeBatch, type Message, refusalOf } from "./netlink_message.ts";
import { addressIn, block, type Step, type Value } from "./program.ts";
import type { Ran } from "./spawn.ts";

/** Room for an error, the request it is about, and the kernel's own words. */
const ANSWER_BYTES = 1024;
/** `Netlink` begins with 1, and so takes no answer to this one for one of its own. */
const FIRST_SEQUENCE = 0;

/** Requests that a program sends in one call, and the answers that it waits for. */
export interface Exchange {
  readonly steps: readonly Step[];
  /** Throws SyscallError for the first request that the kernel refused. */
  check(ran: Ran): void;
}

/** Sends `messages` by `socket`, on which no other answers are waiting, and takes each ack. */
export function exchange(socket: Value, messages: readonly Message[]): Exchange {
  const answers = messages.map(({ goal }) =>
    block(`answer to ${goal}`, new Uint8Array(ANSWER_BYTES))
  );
  return {
    steps: [
      sendStep(socket, messages),
      ...answers.map((answer, i): Step => ({
        call: "recvfrom",
        args: [socket, addressIn(answer), ANSWER_BYTES, 0, null, null],
        goal: messages[i].goal,
      })),
    ],
    check(ran) {
      for (const [i, answer] of answers.entries()) {
        const bytes = ran.read(answer);
        const length = new DataView(bytes.buffer).getUint32(0, true);
        const refused = refusalOf(messages[i], decodeReplies(bytes.subarray(0, length))[0]);
        if (refused !== undefined) throw refused;
      }
    },
  };
}

/** Asks, and leaves the answer to nobody. */
export function askStep(socket: Value, message: Message): Step {
  return sendStep(socket, [message]);
}

function sendStep(socket: Value, messages: readonly Message[]): Step {
  const { goal } = messages[0];
  const request = block(`request to ${goal}`, encodeBatch(messages, FIRST_SEQUENCE));
  const args = [socket, addressIn(request), request.bytes.length, 0, null, 0];
  return { call: "sendto", args, goal };
}
