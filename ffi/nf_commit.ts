/** Changing the rules of nf_tables: one transaction, all or nothing. */
import { AF_NETLINK, MSG_DONTWAIT, NETLINK_NETFILTER } from "./constants.ts";
import { SyscallError } from "./errno.ts";
import { Fd } from "./fd.ts";
import { check, sys } from "./libc.ts";
import { Netlink, sendWhole, SOCK_RAW_CLOEXEC } from "./netlink.ts";
import { decodeReplies, encodeBatch, type Message, refusalOf } from "./netlink_message.ts";
import { beginBatch, type ChainRef, endBatch, listRules, ruleText } from "./nf_tables.ts";

const RECEIVE_BYTES = 8192;

function open(): Fd {
  const goal = "talk to the kernel about rules";
  return new Fd(check(goal, "socket", AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_NETFILTER));
}

/**
 * Makes these changes if the kernel's rules are still of this generation; they are of the next one
 * then. Throws SyscallError, and nothing is changed.
 */
export function commitRules(generation: number, changes: readonly Message[]): void {
  using fd = open();
  // One ack tells that the kernel came to the end of them: more would not fit into the socket.
  const asking = changes.map((change, i) => i < changes.length - 1 ? change : loud(change));
  const messages = [beginBatch(generation), ...asking, endBatch()];
  sendWhole(fd, encodeBatch(messages, 0), "change rules");
  const answer = new Uint8Array(RECEIVE_BYTES);
  // The kernel has answered all it will when it returns from the sending.
  for (let first = true;; first = false) {
    const count = sys("recvfrom", fd.raw, answer, answer.length, MSG_DONTWAIT, null, null);
    if (count < 0 && !first) return;
    if (count < 0) throw new SyscallError("recvfrom", -count, "hear from the kernel");
    for (const reply of decodeReplies(answer.subarray(0, count))) {
      const refused = refusalOf(messages[reply.sequence], reply);
      if (refused !== undefined) throw refused;
    }
  }
}

function loud(message: Message): Message {
  return { ...message, quiet: false };
}

/** The rules of chains, to be compared. Throws SyscallError. */
export function rulesIn(chain: ChainRef): string[] {
  using netlink = new Netlink(open());
  return netlink.ask(listRules(chain)).map(ruleText);
}
