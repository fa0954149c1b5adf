/** DNS packets for tests: made, run through the programs, and read again. */
import { FLOW_KEY, NAME_KEY } from "../../../src/net/dns_layout.ts";
import { replyProgram } from "../../../src/net/dns_forward_code.ts";
import { questionProgram } from "../../../src/net/dns_question_program.ts";
import { containerValue, type Elements, networkNames } from "../../../src/net/dns_records.ts";
import { parseIp } from "../../../src/net/address.ts";
import type { EndpointState, NetworkState } from "../../../src/net/state.ts";
import { checksum, type Outcome, runOnPacket, type Surroundings } from "../../lib/ebpf_packet.ts";

const NAMES = 3, CONTAINERS = 4, FLOWS = 5;
const NETWORK = "ab".repeat(32);
const NUMBER = 7;
export const ADDRESS = "10.1.0.9", INDEX = 42;
export const TYPE = { A: 1, PTR: 12, MX: 15, AAAA: 28 } as const;
const HEAD = 14 + 20 + 8;
const TICKS = 250;

/** A packet of UDP or TCP in an Ethernet frame, with right checksums. */
export function frame(packet: {
  source: string;
  destination: string;
  sourcePort: number;
  destinationPort: number;
  protocol?: number;
  payload: Uint8Array;
}): Uint8Array {
  const { source, destination, sourcePort, destinationPort, protocol = 17, payload } = packet;
  const bytes = new Uint8Array(HEAD + payload.length);
  const view = new DataView(bytes.buffer);
  bytes.set([1, 2, 3, 4, 5, 6]);
  view.setUint16(12, 0x0800);
  bytes[14] = 0x45;
  view.setUint16(16, bytes.length - 14);
  bytes[22] = 64;
  bytes[23] = protocol;
  bytes.set(parseIp(source)!, 26);
  bytes.set(parseIp(destination)!, 30);
  view.setUint16(24, 0xffff ^ checksum(bytes.subarray(14, 34)));
  view.setUint16(34, sourcePort);
  view.setUint16(36, destinationPort);
  bytes.set(payload, HEAD);
  if (protocol === 17) view.setUint16(38, 8 + payload.length);
  view.setUint16(protocol === 17 ? 40 : 50, 0xffff ^ checksum(transport(bytes)));
  return bytes;
}

/** What the checksum of UDP or TCP is about. */
function transport(bytes: Uint8Array): Uint8Array {
  const length = bytes.length - 34;
  const pseudo = [...bytes.subarray(26, 34), 0, bytes[23], length >> 8, length & 0xff];
  return new Uint8Array([...pseudo, ...bytes.subarray(34)]);
}

/** Do the checksums of a packet hold? */
export function sound(bytes: Uint8Array): boolean {
  const sum = new DataView(bytes.buffer).getUint16(bytes[23] === 17 ? 40 : 50);
  return checksum(bytes.subarray(14, 34)) === 0xffff &&
    (sum === 0 || checksum(transport(bytes)) === 0xffff);
}

export function labels(name: string): number[] {
  const parts = name === "" ? [] : name.split(".");
  return [...parts.flatMap((l) => [l.length, ...new TextEncoder().encode(l)]), 0];
}

/** A question; `tail` comes after it, `head` changes fields of its header. */
export function question(
  name: string | number[],
  type: number,
  { tail = [] as number[], head = {} as Record<number, number>, id = 0x1234, cls = 1 } = {},
): Uint8Array {
  const bytes = typeof name === "string" ? labels(name) : name;
  const header = [id >> 8, id & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
  for (const [at, value] of Object.entries(head)) header[Number(at)] = value;
  return new Uint8Array([...header, ...bytes, 0, type, 0, cls, ...tail]);
}

export const asked = (payload: Uint8Array, more = {}) =>
  frame({
    source: "127.0.0.1",
    destination: "127.0.0.11",
    sourcePort: 40_000,
    destinationPort: 53,
    payload,
    ...more,
  });

function endpoint(name: string, ipv4: string, ipv6?: string): NetworkState {
  const address = (ip: string) => ({ ip, prefix: 24, gateway: "" });
  const own: Partial<EndpointState> = {
    network: "net",
    networkId: NETWORK,
    dnsNames: [name, "svc"],
    links: [],
    ipv4: address(ipv4),
    ipv6: ipv6 === undefined ? undefined : address(ipv6),
  };
  return { endpoints: [own] } as unknown as NetworkState;
}

/** A container on a network with `web` (both families) and `db`, who are `svc` together. */
export class Box {
  readonly around: Surroundings;
  readonly flows = new Map<string, Uint8Array>();
  constructor(servers: string[], keepsBareNames = false) {
    const names: Elements = new Map();
    const all = [endpoint("web", "10.1.0.2", "fd00::2"), endpoint("Db_1", "10.1.0.3")];
    networkNames(names, NETWORK, all);
    const link = { source: parseIp(ADDRESS)!, index: INDEX };
    const value = containerValue({
      scopes: ["cd".repeat(32), NETWORK],
      servers: servers.map((ip) => ({ ...link, ip: parseIp(ip)! })),
      keepsBareNames,
      links: [link],
    });
    this.around = {
      classid: NUMBER,
      maps: new Map([
        [NAMES, new Map([...names].map(([key, { value }]) => [key, value]))],
        [CONTAINERS, new Map([[String.fromCharCode(NUMBER, 0, 0, 0, 0, 0, 0, 0), value]])],
        [FLOWS, this.flows],
      ]),
      keyBytes: new Map([[NAMES, NAME_KEY.bytes], [CONTAINERS, 8], [FLOWS, FLOW_KEY.bytes]]),
    };
  }
  static readonly maps = { names: NAMES, containers: CONTAINERS, flows: FLOWS };
  static readonly question = questionProgram(Box.maps, TICKS);
  static readonly reply = replyProgram(Box.maps);

  /** Sends a packet out by the loopback interface. */
  ask(packet: Uint8Array, more: Partial<Surroundings> = {}): Outcome {
    return runOnPacket(Box.question, packet, { ...this.around, ...more });
  }
  /** Has a packet come in by eth0. */
  hear(packet: Uint8Array): Outcome {
    return runOnPacket(Box.reply, packet, this.around);
  }
}

/** What an answer says; the payload of UDP. */
export function readAnswer(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const ip = (at: number) => [...bytes.subarray(at, at + 4)].join(".");
  const dns = HEAD;
  let at = dns + 12;
  while (bytes[at] !== 0) at += bytes[at] + 1;
  at += 5;
  const records: string[] = [];
  for (let i = 0; i < view.getUint16(dns + 6); i++) {
    const length = view.getUint16(at + 10);
    const data = bytes.subarray(at + 12, at + 12 + length);
    records.push(
      [view.getUint16(at), view.getUint16(at + 2), view.getUint32(at + 6), data].join(" "),
    );
    at += 12 + length;
  }
  return {
    way: `${ip(26)}:${view.getUint16(34)} ${ip(30)}:${view.getUint16(36)}`,
    lengths: [bytes.length - 14 - view.getUint16(16), bytes.length - 34 - view.getUint16(38)],
    id: view.getUint16(dns),
    flags: view.getUint16(dns + 2),
    counts: [4, 6, 8, 10].map((offset) => view.getUint16(dns + offset)),
    question: bytes.slice(dns + 12, at),
    records,
    rest: bytes.length - at,
  };
}
