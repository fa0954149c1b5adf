/**
 * Netlink messages as bytes: header, fixed part, nested attributes, and what comes back: acks,
 * errors with the kernel's own words, dumps. Pure; `netlink.ts` sends them. Source: netlink(7).
 */
import { textAt } from "./bytes.ts";
import { EBADMSG, SyscallError } from "./errno.ts";

const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLMSGERR_ATTR_MSG = 1;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
const HEADER_BYTES = 16;

/** One request. `goal` completes "Cannot …" when the kernel refuses it. */
export interface Message {
  readonly goal: string;
  readonly type: number;
  /** NLM_F_* besides NLM_F_REQUEST. */
  readonly flags: number;
  /** The fixed part and the attributes. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** Error numbers that count as success. */
  readonly allow?: readonly number[];
  /** The kernel is to answer only if it refuses. */
  readonly quiet?: boolean;
}

const align = (length: number) => (length + 3) & ~3;
const encoder = new TextEncoder();

/** Builds a message's body: the fixed structure first, then attributes. */
export class BodyWriter {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  /** Makes room; may replace the view, so it comes first. */
  #room(count: number): number {
    const at = this.#at;
    this.#at += count;
    if (this.#at > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#at, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
  u8(value: number): this {
    const at = this.#room(1);
    this.#view.setUint8(at, value);
    return this;
  }
  u16(value: number): this {
    const at = this.#room(2);
    this.#view.setUint16(at, value, true);
    return this;
  }
  u32(value: number): this {
    const at = this.#room(4);
    this.#view.setUint32(at, value >>> 0, true);
    return this;
  }
  u64(value: number | bigint): this {
    const at = this.#room(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
    return this;
  }
  raw(value: Uint8Array): this {
    const at = this.#room(value.length);
    this.#bytes.set(value, at);
    return this;
  }
  /** An attribute whose payload `fill` writes; padded to four bytes as the kernel wants it. */
  attribute(type: number, fill: (writer: this) => void): this {
    const start = this.#room(4);
    fill(this);
    this.#view.setUint16(start, this.#at - start, true);
    this.#view.setUint16(start + 2, type, true);
    this.#room(align(this.#at) - this.#at);
    return this;
  }
  /** An attribute that holds attributes. */
  nest(type: number, fill: (writer: this) => void): this {
    return this.attribute(type | NLA_F_NESTED, fill);
  }
  attributeU8(type: number, value: number): this {
    return this.attribute(type, (w) => w.u8(value));
  }
  attributeU32(type: number, value: number): this {
    return this.attribute(type, (w) => w.u32(value));
  }
  /** A number of four bytes in network order. */
  attributeBe32(type: number, value: number): this {
    return this.attribute(type, (w) => {
      for (const shift of [24, 16, 8, 0]) w.u8(value >>> shift);
    });
  }
  attributeText(type: number, value: string): this {
    return this.attribute(type, (w) => w.raw(encoder.encode(`${value}\0`)));
  }
  attributeBytes(type: number, value: Uint8Array): this {
    return this.attribute(type, (w) => w.raw(value));
  }
  done(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#at);
  }
}

/** The bytes to send for `messages`, numbered from `firstSequence` on, which ask for acks. */
export function encodeBatch(
  messages: readonly Message[],
  firstSequence: number,
): Uint8Array<ArrayBuffer> {
  let size = 0;
  for (const message of messages) size += align(HEADER_BYTES + message.body.length);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  messages.forEach((message, i) => {
    const length = HEADER_BYTES + message.body.length;
    const isDump = (message.flags & NLM_F_DUMP) === NLM_F_DUMP;
    const ack = isDump || message.quiet ? 0 : NLM_F_ACK;
    view.setUint32(at, length, true);
    view.setUint16(at + 4, message.type, true);
    view.setUint16(at + 6, message.flags | NLM_F_REQUEST | ack, true);
    view.setUint32(at + 8, firstSequence + i, true);
    bytes.set(message.body, at + HEADER_BYTES);
    at += align(length);
  });
  return bytes;
}

/** What the kernel answered: an ack or error (errno 0 is the ack), the end of a dump, or data. */
export type Reply =
  | { kind: "ack"; sequence: number; errno: number; text: string }
  | { kind: "done"; sequence: number; errno: number; text: string }
  | { kind: "data"; sequence: number; type: number; body: Uint8Array };

/** Takes one received datagram apart. Throws SyscallError if it is cut off. */
export function decodeReplies(datagram: Uint8Array): Reply[] {
  const replies: Reply[] = [];
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  for (let at = 0; at < datagram.length;) {
    const length = at + HEADER_BYTES <= datagram.length ? view.getUint32(at, true) : 0;
    if (length < HEADER_BYTES || at + length > datagram.length) {
      throw new SyscallError("recvfrom", EBADMSG, "read the kernel's answer, which is cut off");
    }
    const body = datagram.subarray(at + HEADER_BYTES, at + length);
    const type = view.getUint16(at + 4, true);
    const flags = view.getUint16(at + 6, true);
    replies.push(decodeReply(type, flags, view.getUint32(at + 8, true), body));
    at += align(length);
  }
  return replies;
}

function decodeReply(type: number, flags: number, sequence: number, body: Uint8Array): Reply {
  if (type !== NLMSG_ERROR && type !== NLMSG_DONE) return { kind: "data", sequence, type, body };
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const errno = body.length >= 4 ? 0 - view.getInt32(0, true) : 0;
  if (type === NLMSG_DONE) return { kind: "done", sequence, errno, text: "" };
  let text = "";
  if ((flags & NLM_F_ACK_TLVS) !== 0) {
    // After the error number: the request's header, or all of it unless the kernel capped it.
    const echoed = (flags & NLM_F_CAPPED) !== 0 ? HEADER_BYTES : align(view.getUint32(4, true));
    const message = parseAttributes(body.subarray(4 + echoed)).get(NLMSGERR_ATTR_MSG);
    if (message !== undefined) text = textAt(message);
  }
  return { kind: "ack", sequence, errno, text };
}

/** The error of a request that the kernel refused; undefined where it did as asked. */
export function refusalOf(message: Message, reply: Reply): SyscallError | undefined {
  if (reply.kind === "data" || reply.errno === 0) return undefined;
  if (message.allow?.includes(reply.errno)) return undefined;
  return new SyscallError("netlink", reply.errno, message.goal, reply.text || undefined);
}

/** The attributes in `bytes`, in their order. */
export function* attributesIn(bytes: Uint8Array): Generator<[type: number, value: Uint8Array]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > bytes.length) break;
    yield [view.getUint16(at + 2, true) & NLA_TYPE_MASK, bytes.subarray(at + 4, at + length)];
    at += align(length);
  }
}

/** The attributes in `bytes` by type; the last of a type wins. */
export function parseAttributes(bytes: Uint8Array): Map<number, Uint8Array> {
  return new Map(attributesIn(bytes));
}

/** The number in an attribute of four bytes. */
export function attributeNumber(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined || bytes.length < 4) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

/** The text in an attribute that holds a C string. */
export function attributeText(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : textAt(bytes);
}
