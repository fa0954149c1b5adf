/**
 * A mark of the kernel's firewall as it was when our rules were all in it. A firewall reload changes
 * it; asking takes the kernel a few microseconds, so that every command can look whether somebody
 * else was at the rules since. `rules_watch.ts` then looks what is left of ours.
 */
import {
  AF_NETLINK,
  IPPROTO_IPV6,
  MSG_DONTWAIT,
  NETLINK_NETFILTER,
  NFGENMSG_BYTES,
} from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { addressFamily } from "../../ffi/inet.ts";
import { sys } from "../../ffi/libc.ts";
import { SOCK_RAW_CLOEXEC } from "../../ffi/netlink.ts";
import {
  decodeReplies,
  encodeBatch,
  type Message,
  parseAttributes,
} from "../../ffi/netlink_message.ts";
import { readIfThere, removeIfThere, writeAtomic } from "../base/files.ts";
import type { NetPlaces } from "./places.ts";

const IPPROTO_IP = 0;
const IPPROTO_RAW = 255;
/** NFNL_SUBSYS_NFTABLES and NFT_MSG_GETGEN. linux/netfilter/nf_tables.h. */
const GET_GENERATION = (10 << 8) | 16;
const NFTA_GEN_ID = 1;
/** IPT_SO_GET_INFO and IP6T_SO_GET_INFO, and their struct ipt_getinfo. */
const GET_INFO = 64;
const INFO_BYTES = 84;
const INFO_ENTRIES_AT = 76;

/** Which of the kernel's two firewalls has our rules. */
export type MarkKind = "nft" | "legacy";

/** The number of nf_tables' rule set in this network namespace; every change makes it another. */
export function nftGeneration(): string {
  const raw = sys("socket", AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_NETFILTER);
  if (raw < 0) return "none";
  using fd = new Fd(raw);
  const request = encodeBatch([askGeneration()], 1);
  const answer = new Uint8Array(1024);
  if (sys("sendto", fd.raw, request, request.length, 0, null, 0) < 0) return "none";
  // The kernel has answered when it returns from the sending, or it never will.
  const count = sys("recvfrom", fd.raw, answer, answer.length, MSG_DONTWAIT, null, null);
  return count < 0 ? "none" : generationIn(answer.subarray(0, count));
}

/** Asks for the number of nf_tables' rule set. */
export function askGeneration(): Message {
  const body = new Uint8Array(NFGENMSG_BYTES);
  const goal = "see the number of the rules";
  return { goal, type: GET_GENERATION, flags: 0, body, quiet: true };
}

/**
 * Where the number is in the answer, and what the kernel puts behind it: the head of another
 * attribute, the same each time. Eight bytes in all: what a program compares at once.
 */
export const SEEN_AT = 16 + NFGENMSG_BYTES + 4;
const BEHIND_NUMBER = [8, 0, 2, 0];

/** The file that starts with those bytes as they were when our rules were last seen whole. */
export const seenPath = (places: NetPlaces) => `${places.run}/rules.seen`;

/** In place: who watches has it open. */
function writeSeen(places: NetPlaces, generation: string): void {
  using file = Deno.openSync(seenPath(places), { write: true, create: true, mode: 0o600 });
  file.writeSync(new Uint8Array([...generation.split(".").map(Number), ...BEHIND_NUMBER]));
}

/** The number in the kernel's answer; "none" where there is no nf_tables. */
export function generationIn(datagram: Uint8Array): string {
  for (const reply of decodeReplies(datagram)) {
    if (reply.kind !== "data") continue;
    const number = parseAttributes(reply.body.subarray(NFGENMSG_BYTES)).get(NFTA_GEN_ID);
    if (number !== undefined) return Array.from(number).join(".");
  }
  return "none";
}

/** How many rules the old firewall's tables have and their size in bytes. */
function legacySizes(version: 4 | 6): string {
  const raw = sys("socket", addressFamily(version), SOCK_RAW_CLOEXEC, IPPROTO_RAW);
  if (raw < 0) return "none";
  using fd = new Fd(raw);
  return ["nat", "filter"].map((table) => {
    const info = new Uint8Array(INFO_BYTES);
    info.set(new TextEncoder().encode(table));
    const length = new Uint8Array([INFO_BYTES, 0, 0, 0]);
    const level = version === 4 ? IPPROTO_IP : IPPROTO_IPV6;
    const result = sys("getsockopt", fd.raw, level, GET_INFO, info, length);
    const view = new DataView(info.buffer, INFO_ENTRIES_AT);
    return result < 0 ? "none" : `${view.getUint32(0, true)}/${view.getUint32(4, true)}`;
  }).join(" ");
}

/** The same as a number; 0, which it never is, where there is no nf_tables. */
export function currentGeneration(): number {
  return numberOf(nftGeneration()) ?? 0;
}

function numberOf(generation: string): number | undefined {
  const bytes = generation.split(".").map(Number);
  return bytes.length === 4 ? bytes.reduce((number, byte) => number * 256 + byte, 0) : undefined;
}

function kernelMark(kind: MarkKind, versions: string): string {
  if (kind === "nft") return `nft ${versions} ${nftGeneration()}`;
  const sizes = Array.from(versions, (version) => legacySizes(version === "4" ? 4 : 6));
  return `legacy ${versions} ${sizes.join(" ")}`;
}

const markPath = (places: NetPlaces) => `${places.run}/rules.mark`;

/** What was noted last; undefined when our rules are in no firewall. */
export function notedMark(places: NetPlaces): { kind: MarkKind; text: string } | undefined {
  const text = readIfThere(markPath(places));
  return text && { kind: text.startsWith("nft ") ? "nft" : "legacy", text } || undefined;
}

/** The generation of the kernel's rules in which ours, of these families, were noted to be whole. */
export function notedGeneration(
  places: NetPlaces,
  versions: readonly (4 | 6)[],
): number | undefined {
  const [kind, of, generation] = notedMark(places)?.text.split(" ") ?? [];
  return kind === "nft" && of === versions.join("") ? numberOf(generation) : undefined;
}

/** Notes that ours are whole in this generation. */
export function noteGeneration(
  places: NetPlaces,
  versions: readonly (4 | 6)[],
  generation: number,
): void {
  const text = [24, 16, 8, 0].map((shift) => (generation >>> shift) & 0xff).join(".");
  writeAtomic(markPath(places), `nft ${versions.join("")} ${text}`);
  writeSeen(places, text);
}

/** Was somebody else at the firewall since the last note? */
export function rulesTouched(places: NetPlaces): boolean {
  const noted = notedMark(places);
  if (noted === undefined) return false;
  return kernelMark(noted.kind, noted.text.split(" ", 2)[1]) !== noted.text;
}

/** Notes that our rules are in the kernel as it is now. */
export function noteRules(
  places: NetPlaces,
  kind: MarkKind,
  versions: readonly (4 | 6)[],
): void {
  const mark = kernelMark(kind, versions.join(""));
  if (notedMark(places)?.text === mark) return;
  writeAtomic(markPath(places), mark);
  if (kind === "nft") writeSeen(places, mark.split(" ")[2]);
}

/** Forgets the note: there is nothing of ours in the kernel. */
export function forgetRules(places: NetPlaces): void {
  removeIfThere(markPath(places));
}
