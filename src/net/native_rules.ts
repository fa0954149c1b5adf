/**
 * Our rules of the nat table in the expressions in which the nft variant of iptables puts them: the
 * kernel takes them in a quarter of a millisecond, for which `iptables-restore` needs twenty. Other
 * versions of iptables use other expressions, so what is here is trusted only where the kernel
 * listed it as it lists what the iptables of this machine made of the same rules.
 */
import { StructWriter } from "../../ffi/bytes.ts";
import {
  addRule,
  type ChainRef,
  compare,
  counter,
  type Expression,
  extension,
  flushChain,
  mask,
  meta,
  payload,
} from "../../ffi/nf_tables.ts";
import type { Message } from "../../ffi/netlink_message.ts";
import { type Ip, masked, parseIp, parseSubnet } from "./address.ts";
import { chainName } from "./iptables.ts";
import type { Match, Rule } from "./rules.ts";

const PROTOCOLS: Readonly<Record<string, number>> = { tcp: 6, udp: 17 };
/** Where the addresses are in the header of a packet. */
const SOURCE_AT = { 4: 12, 6: 8 } as const, DESTINATION_AT = { 4: 16, 6: 24 } as const;
const PORT_AT = 2;
/** XT_CONNTRACK_STATE and XT_CONNTRACK_STATE_DNAT, and where they are in xt_conntrack_mtinfo3. */
const BY_STATE = 1, STATE_DNAT = 128, MATCH_FLAGS_AT = 146, STATE_MASK_AT = 150;
const CONNTRACK_BYTES = 168;
/** NF_NAT_RANGE_MAP_IPS and NF_NAT_RANGE_PROTO_SPECIFIED. */
const TO_ADDRESS_AND_PORT = 3;

function interfaceName(name: string): Uint8Array {
  return new TextEncoder().encode(`${name}\0`);
}

function addressExpressions(at: number, text: string): Expression[] {
  const ip = parseIp(text);
  const subnet = ip === undefined ? parseSubnet(text)! : { base: ip, prefix: ip.length * 8 };
  const { base, prefix } = subnet;
  if (prefix % 8 === 0) {
    const bytes = base.slice(0, prefix / 8);
    return [payload("network", at, bytes.length), compare("is", bytes)];
  }
  const bits = masked(new Uint8Array(base.length).fill(255), prefix);
  return [payload("network", at, base.length), mask(bits), compare("is", base)];
}

function translatedExpression(): Expression {
  const info = new Uint8Array(CONNTRACK_BYTES);
  const view = new DataView(info.buffer);
  view.setUint16(MATCH_FLAGS_AT, BY_STATE, true);
  view.setUint16(STATE_MASK_AT, STATE_DNAT, true);
  return extension("match", "conntrack", 3, info);
}

function matchExpressions(version: 4 | 6, match: Match): Expression[] {
  const all: Expression[] = [];
  if (match.out) all.push(meta("oifname"), compare("is", interfaceName(match.out)));
  if (match.notOut) all.push(meta("oifname"), compare("is not", interfaceName(match.notOut)));
  if (match.protocol) {
    all.push(meta("l4proto"), compare("is", new Uint8Array([PROTOCOLS[match.protocol]])));
  }
  if (match.source) all.push(...addressExpressions(SOURCE_AT[version], match.source));
  if (match.destination) {
    all.push(...addressExpressions(DESTINATION_AT[version], match.destination));
  }
  if (match.port) {
    const bytes = new Uint8Array([match.port >> 8, match.port & 0xff]);
    all.push(payload("transport", PORT_AT, 2), compare("is", bytes));
  }
  if (match.translated) all.push(translatedExpression());
  return all;
}

const swapped = (port: number) => ((port & 0xff) << 8) | (port >> 8);

/** struct nf_nat_range2. */
function translateTo(target: string): Expression {
  const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(target)!;
  const address: Ip = parseIp(host)!;
  const writer = new StructWriter(48).u32(TO_ADDRESS_AND_PORT);
  for (let time = 0; time < 2; time++) {
    for (let i = 0; i < 16; i++) writer.u8(address[i] ?? 0);
  }
  const number = swapped(Number(port));
  return extension("target", "DNAT", 2, writer.u16(number).u16(number).pad(8).done());
}

/** struct nf_nat_ipv4_multi_range_compat with one range, or struct nf_nat_range; both of no bounds. */
function masquerade(version: 4 | 6): Expression {
  const info = new Uint8Array(version === 4 ? 24 : 40);
  if (version === 4) info[0] = 1;
  return extension("target", "MASQUERADE", 0, info);
}

/** The expressions of a rule; undefined for one that is not of those in the nat table. */
export function expressionsOf(version: 4 | 6, { match, verdict }: Rule): Expression[] | undefined {
  const foreign = match.in || match.notIn || match.established ||
    (match.protocol !== undefined && PROTOCOLS[match.protocol] === undefined);
  if (foreign || verdict === "accept" || verdict === "drop") return undefined;
  const action = verdict === "masquerade" ? masquerade(version) : translateTo(verdict.dnat);
  return [...matchExpressions(version, match), counter(), action];
}

/** One of our chains of the nat table. */
export function natChain(version: 4 | 6, tag: string, part: string): ChainRef {
  return { version, table: "nat", chain: chainName(tag, part) };
}

/** Makes a chain hold these rules and no others; undefined if one cannot be put so. */
export function fillChain(at: ChainRef, rules: readonly Rule[]): Message[] | undefined {
  const messages: Message[] = [flushChain(at)];
  for (const rule of rules) {
    const expressions = expressionsOf(at.version, rule);
    if (expressions === undefined) return undefined;
    messages.push(addRule(at, expressions));
  }
  return messages;
}
