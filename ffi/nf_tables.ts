/**
 * Rules of nf_tables as netlink messages, in the expressions that the nft variant of iptables uses,
 * so that it lists them as its own. Pure; `nf_commit.ts` sends them. Source:
 * linux/netfilter/nf_tables.h; numbers are in network order there.
 */
import { AF_UNSPEC, NFGENMSG_BYTES } from "./constants.ts";
import { addressFamily } from "./inet.ts";
import { attributesIn, BodyWriter, type Message } from "./netlink_message.ts";
import { NLM_F_CREATE, NLM_F_DUMP } from "./netlink_message.ts";

const SUBSYSTEM = 10;
const BATCH_BEGIN = 0x10, BATCH_END = 0x11;
const BATCH_GENERATION = 1;
const DELETE_CHAIN = (SUBSYSTEM << 8) | 5;
const NEW_RULE = (SUBSYSTEM << 8) | 6;
const GET_RULE = (SUBSYSTEM << 8) | 7;
const DELETE_RULE = (SUBSYSTEM << 8) | 8;
const NLM_F_APPEND = 0x800;
const CHAIN_TABLE = 1, CHAIN_NAME = 3;
const RULE_TABLE = 1, RULE_CHAIN = 2, RULE_EXPRESSIONS = 4, RULE_USERDATA = 7;
const LIST_ELEMENT = 1, EXPRESSION_NAME = 1, EXPRESSION_DATA = 2;
const DATA_VALUE = 1;
const REGISTER_1 = 1;

/** A chain of a table that iptables made. */
export interface ChainRef {
  readonly version: 4 | 6;
  readonly table: string;
  readonly chain: string;
}

function header(family: number, resource = 0): BodyWriter {
  return new BodyWriter().u8(family).u8(0).u8(resource >> 8).u8(resource);
}

function ruleBody(at: ChainRef): BodyWriter {
  return header(addressFamily(at.version)).attributeText(RULE_TABLE, at.table)
    .attributeText(RULE_CHAIN, at.chain);
}

/** Opens a transaction, which the kernel refuses (ERESTART) if its rules are of another generation. */
export function beginBatch(generation: number): Message {
  const body = header(AF_UNSPEC, SUBSYSTEM).attributeBe32(BATCH_GENERATION, generation).done();
  return { goal: "change rules", type: BATCH_BEGIN, flags: 0, body, quiet: true };
}

/** Ends a transaction: from here on all of it holds, or nothing. */
export function endBatch(): Message {
  const body = header(AF_UNSPEC, SUBSYSTEM).done();
  return { goal: "change rules", type: BATCH_END, flags: 0, body, quiet: true };
}

/** Removes all rules of a chain. */
export function flushChain(at: ChainRef): Message {
  const goal = `empty chain ${at.chain}`;
  return { goal, type: DELETE_RULE, flags: 0, body: ruleBody(at).done(), quiet: true };
}

/** Removes a chain without rules. */
export function deleteChain(at: ChainRef): Message {
  const body = header(addressFamily(at.version)).attributeText(CHAIN_TABLE, at.table)
    .attributeText(CHAIN_NAME, at.chain).done();
  return { goal: `remove chain ${at.chain}`, type: DELETE_CHAIN, flags: 0, body, quiet: true };
}

/** Adds a rule at the end of a chain. */
export function addRule(at: ChainRef, expressions: readonly Expression[]): Message {
  const body = ruleBody(at).nest(RULE_EXPRESSIONS, (list) => {
    for (const { name, fill } of expressions) {
      list.nest(LIST_ELEMENT, (element) => {
        element.attributeText(EXPRESSION_NAME, name).nest(EXPRESSION_DATA, fill);
      });
    }
  }).done();
  const flags = NLM_F_CREATE | NLM_F_APPEND;
  return { goal: `add a rule to chain ${at.chain}`, type: NEW_RULE, flags, body, quiet: true };
}

/** Asks for the rules of a chain; `ruleText` reads the answers. */
export function listRules(at: ChainRef): Message {
  const goal = `list chain ${at.chain}`;
  return { goal, type: GET_RULE, flags: NLM_F_DUMP, body: ruleBody(at).done() };
}

/** What a listed rule does and says, to be compared. */
export function ruleText(body: Uint8Array): string {
  return Array.from(attributesIn(body.subarray(NFGENMSG_BYTES)))
    .filter(([type]) => type === RULE_EXPRESSIONS || type === RULE_USERDATA)
    .map(([type, bytes]) => `${type}:${Array.from(bytes).join(" ")}`).join(" ");
}

/** A part of a rule: what it loads, compares or does. */
export interface Expression {
  readonly name: string;
  readonly fill: (data: BodyWriter) => void;
}

const META = { oifname: 7, l4proto: 16 } as const;

/** Loads what the kernel knows of a packet. */
export function meta(key: keyof typeof META): Expression {
  const fill = (data: BodyWriter) => {
    data.attributeBe32(2, META[key]).attributeBe32(1, REGISTER_1);
  };
  return { name: "meta", fill };
}

const BASE = { network: 1, transport: 2 } as const;

/** Loads bytes of a packet. */
export function payload(base: keyof typeof BASE, offset: number, length: number): Expression {
  const fill = (data: BodyWriter) => {
    data.attributeBe32(1, REGISTER_1).attributeBe32(2, BASE[base]);
    data.attributeBe32(3, offset).attributeBe32(4, length);
  };
  return { name: "payload", fill };
}

function value(data: BodyWriter, type: number, bytes: Uint8Array): void {
  data.nest(type, (inner) => inner.attributeBytes(DATA_VALUE, bytes));
}

/** Goes on if what was loaded is, or is not, `bytes`. */
export function compare(how: "is" | "is not", bytes: Uint8Array): Expression {
  const fill = (data: BodyWriter) => {
    data.attributeBe32(1, REGISTER_1).attributeBe32(2, how === "is" ? 0 : 1);
    value(data, 3, bytes);
  };
  return { name: "cmp", fill };
}

/** Keeps the bits of `mask` of what was loaded. */
export function mask(bytes: Uint8Array): Expression {
  const fill = (data: BodyWriter) => {
    data.attributeBe32(1, REGISTER_1).attributeBe32(2, REGISTER_1).attributeBe32(3, bytes.length);
    value(data, 4, bytes);
    value(data, 5, new Uint8Array(bytes.length));
  };
  return { name: "bitwise", fill };
}

/** Counts packets and bytes. */
export function counter(): Expression {
  const fill = (data: BodyWriter) => {
    data.attributeBytes(1, new Uint8Array(8)).attributeBytes(2, new Uint8Array(8));
  };
  return { name: "counter", fill };
}

/** A match or target of the old firewall, with its own structure. */
export function extension(
  name: "match" | "target",
  which: string,
  revision: number,
  info: Uint8Array,
): Expression {
  const fill = (data: BodyWriter) => {
    data.attributeText(1, which).attributeBe32(2, revision).attributeBytes(3, info);
  };
  return { name, fill };
}
