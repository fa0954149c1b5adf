/** A route netlink socket: sends requests, matches the acks, turns refusals into SyscallErrors. */
import { AF_NETLINK } from "./constants.ts";
import { EINTR, EMSGSIZE, SyscallError } from "./errno.ts";
import { Fd } from "./fd.ts";
import { check, sys } from "./libc.ts";
import {
  decodeReplies,
  encodeBatch,
  type Message,
  refusalOf,
  type Reply,
} from "./netlink_message.ts";
import { type Link, parseLink, parseRoute, type Route } from "./rtnetlink.ts";
import { getLink, type LinkRef, listLinks, listRoutes } from "./rtnetlink.ts";

export const NETLINK_ROUTE = 0;
export const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const ENODEV = 19;
/** The kernel fills dumps in pieces of at most 32 KiB. */
const RECEIVE_BYTES = 32 * 1024;

/** Sends all of it at once, or throws SyscallError: half of it has no answer to wait for. */
export function sendWhole({ raw }: Fd, bytes: Uint8Array<ArrayBuffer>, goal: string): void {
  const sent = check(goal, "sendto", raw, bytes, bytes.length, 0, null, 0);
  if (sent < bytes.length) throw new SyscallError("sendto", EMSGSIZE, goal);
}

/** One socket; it speaks for the network namespace in which it was opened. */
export class Netlink implements Disposable {
  #sequence = 1;
  #buffer = new Uint8Array(RECEIVE_BYTES);
  constructor(readonly fd: Fd) {
    const one = new Uint8Array([1, 0, 0, 0]);
    sys("setsockopt", fd.raw, SOL_NETLINK, NETLINK_EXT_ACK, one, 4);
    sys("setsockopt", fd.raw, SOL_NETLINK, NETLINK_CAP_ACK, one, 4);
  }

  /** A socket of this process's own network namespace. */
  static open(): Netlink {
    const goal = "talk to the kernel about networks";
    return new Netlink(
      new Fd(check(goal, "socket", AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE)),
    );
  }

  /**
   * Sends all `messages` in one call and waits for each ack. Throws SyscallError for the first
   * that the kernel refuses; those before it stay done, and so may those after it.
   */
  batch(messages: readonly Message[]): void {
    const refused = this.tryBatch(messages);
    if (refused !== undefined) throw refused;
  }

  /** The same, but returns the error. */
  tryBatch(messages: readonly Message[]): SyscallError | undefined {
    const first = this.#send(messages);
    let refused: SyscallError | undefined;
    let open = messages.length;
    while (open > 0) {
      for (const reply of this.#receive(first)) {
        if (reply.kind === "data") continue;
        open--;
        refused ??= refusalOf(messages[reply.sequence - first], reply);
      }
    }
    return refused;
  }

  /** The answers to one request, which may be a dump. */
  ask(message: Message): Uint8Array[] {
    const first = this.#send([message]);
    const found: Uint8Array[] = [];
    for (;;) {
      for (const reply of this.#receive(first)) {
        if (reply.kind === "data") found.push(reply.body.slice());
        else if (reply.errno === 0) return found;
        else {
          const hint = reply.text || undefined;
          throw new SyscallError("netlink", reply.errno, message.goal, hint);
        }
      }
    }
  }

  /** The link, or undefined if there is none of that name or number. */
  link(link: LinkRef): Link | undefined {
    try {
      const [body] = this.ask(getLink(link));
      return body && parseLink(body);
    } catch (error) {
      if (error instanceof SyscallError && error.errno === ENODEV) return undefined;
      throw error;
    }
  }

  links(): Link[] {
    return this.ask(listLinks()).map(parseLink);
  }

  routes(): Route[] {
    return this.ask(listRoutes()).flatMap((body) => parseRoute(body) ?? []);
  }

  /** Sends; the number of the first message. */
  #send(messages: readonly Message[]): number {
    const first = this.#sequence;
    this.#sequence += messages.length;
    sendWhole(this.fd, encodeBatch(messages, first), messages[0].goal);
    return first;
  }

  /** One datagram's replies to messages from `first` on. */
  #receive(first: number): Reply[] {
    for (;;) {
      const count = sys("recvfrom", this.fd.raw, this.#buffer, RECEIVE_BYTES, 0, null, null);
      if (count === -EINTR) continue;
      if (count < 0) throw new SyscallError("recvfrom", -count, "hear from the kernel");
      return decodeReplies(this.#buffer.subarray(0, count))
        .filter((reply) => reply.sequence >= first);
    }
  }

  [Symbol.dispose](): void {
    this.fd[Symbol.dispose]();
  }
}
