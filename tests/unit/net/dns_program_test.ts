/** The programs that answer containers' DNS questions, run over packets. */
import { assert, assertEquals } from "@std/assert";
import { parseIp } from "../../../src/net/address.ts";
import { reverseName } from "../../../src/net/dns_records.ts";
import {
  ADDRESS,
  asked,
  Box,
  frame,
  INDEX,
  labels,
  question,
  readAnswer,
  sound,
  TYPE,
} from "./dns_packets.ts";

const SERVERS = ["192.0.2.1", "192.0.2.2"];
const PASS = 0, REDIRECT = 7;
const ANSWER = 0x8180, SERVFAIL = 0x8182;
const record = (type: number, data: Iterable<number>) => `49164 ${type} 600 ${[...data]}`;

/** The answer to a question that is not forwarded. */
function answerTo(box: Box, payload: Uint8Array, more = {}) {
  const { verdict, packet } = box.ask(asked(payload), more);
  assertEquals(verdict, PASS);
  assert(sound(packet), "checksums");
  return readAnswer(packet);
}

const KNOWN: [name: string, payload: Uint8Array, records: string[]][] = [
  ["an address", question("web", TYPE.A), [record(TYPE.A, [10, 1, 0, 2])]],
  ["upper case", question("WEB.Net", TYPE.A), [record(TYPE.A, [10, 1, 0, 2])]],
  ["an underscore", question("dB_1", TYPE.A), [record(TYPE.A, [10, 1, 0, 3])]],
  ["an IPv6 address", question("web", TYPE.AAAA), [record(TYPE.AAAA, parseIp("fd00::2")!)]],
  ["no address of that family", question("db_1", TYPE.AAAA), []],
  ["another type", question("web", TYPE.MX), []],
  [
    "the name of an address",
    question("2.0.1.10.in-addr.arpa", TYPE.PTR),
    [record(TYPE.PTR, labels("web.net"))],
  ],
  [
    "the name of an IPv6 address",
    question(reverseName(parseIp("fd00::2")!), TYPE.PTR),
    [record(TYPE.PTR, labels("web.net"))],
  ],
];
for (const [name, payload, records] of KNOWN) {
  Deno.test(`questionProgram() answers ${name}`, () => {
    const answer = answerTo(new Box(SERVERS), payload);
    assertEquals(answer.records, records);
    assertEquals(answer.way, "127.0.0.11:53 127.0.0.1:40000");
    assertEquals(answer.lengths, [0, 0]);
    assertEquals([answer.id, answer.flags], [0x1234, ANSWER]);
    assertEquals(answer.counts, [1, records.length, 0, 0]);
    assertEquals(answer.question.slice(0, payload.length - 12), payload.slice(12));
    assertEquals(answer.rest, 0);
  });
}

Deno.test("questionProgram() begins with another address each time", () => {
  const box = new Box(SERVERS);
  const firsts = [1, 2, 3, 4].map((random) => {
    const { records } = answerTo(box, question("svc", TYPE.A), { random });
    assertEquals(records.toSorted(), [2, 3].map((last) => record(TYPE.A, [10, 1, 0, last])));
    return records[0];
  });
  assertEquals(new Set(firsts).size, 2);
});

Deno.test("questionProgram() cuts off EDNS and what else follows, and keeps RD and CD", () => {
  const opt = [0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0];
  const head = { 2: 0, 3: 0x30, 11: 1 }; // no RD; AD, CD; one more record
  const answer = answerTo(new Box(SERVERS), question("web", TYPE.A, { tail: opt, head }));
  assertEquals(answer.records, [record(TYPE.A, [10, 1, 0, 2])]);
  assertEquals([answer.flags, answer.counts, answer.rest], [0x8090, [1, 1, 0, 0], 0]);
});

const long = (count: number) => Array.from({ length: count }, () => "a".repeat(49)).join(".");

/** Not for us to answer: a real server gets them as they are. */
const FORWARDED: [name: string, payload: Uint8Array][] = [
  ["an unknown name", question("example.com", TYPE.A)],
  ["the root", question("", TYPE.A)],
  ["a beginning of a name", question("we", TYPE.A)],
  ["more than a name", question("web.net.more", TYPE.A)],
  ["a name of 120 bytes", question(`${"b".repeat(59)}.${"b".repeat(58)}`, TYPE.A)],
  ["a name of 300 bytes", question(long(6), TYPE.A)],
  ["a label that ends after the packet", question([63, 119, 101, 98], TYPE.A)],
  ["a pointer in the question", question([0xc0, 0x0c], TYPE.A)],
  ["a name that points to itself after a label", question([3, 119, 101, 98, 0xc0, 12], TYPE.A)],
  ["a zero within a label", question([5, 119, 101, 98, 0, 120, 0], TYPE.A)],
  ["no question", question("web", TYPE.A, { head: { 5: 0 } })],
  ["two questions", question("web", TYPE.A, { head: { 5: 2 } })],
  ["an answer in the question", question("web", TYPE.A, { head: { 7: 1 } })],
  ["another class", question("web", TYPE.A, { cls: 3 })],
  ["a status request", question("web", TYPE.A, { head: { 2: 0x10 } })],
  ["a header without a question", new Uint8Array(12)],
  ["a name without an end", new Uint8Array([...question("", 0).subarray(0, 12), 3, 119, 101, 98])],
  ["a question without a type", question("web", TYPE.A).subarray(0, 18)],
];
for (const [name, payload] of FORWARDED) {
  Deno.test(`questionProgram() forwards ${name}`, () => {
    const before = asked(payload);
    const { verdict, packet, redirect } = new Box(SERVERS).ask(before);
    assertEquals(verdict, REDIRECT);
    assertEquals(redirect, { to: "neighbour", index: INDEX, flags: 0 });
    assertEquals(packet.subarray(26, 34), new Uint8Array([...parseIp(ADDRESS)!, 192, 0, 2, 1]));
    assertEquals([packet.subarray(34, 40), packet.subarray(42)], [
      before.subarray(34, 40),
      before.subarray(42),
    ]);
    assert(sound(packet), "checksums");
  });
}

const LEFT_ALONE: [name: string, packet: Uint8Array, more?: { classid: number }][] = [
  ["another address", asked(question("web", TYPE.A), { destination: "127.0.0.1" })],
  ["another port", asked(question("web", TYPE.A), { destinationPort: 54 })],
  ["another protocol", asked(question("web", TYPE.A), { protocol: 1 })],
  ["a short packet", asked(new Uint8Array(11))],
  ["an answer", asked(question("web", TYPE.A, { head: { 2: 0x81 } }))],
  ["a container that nobody knows", asked(question("web", TYPE.A)), { classid: 8 }],
  ["a fragment", asked(question("web", TYPE.A)).map((byte, i) => i === 20 ? 0x20 : byte)],
  ["IP options", asked(question("web", TYPE.A)).map((byte, i) => i === 14 ? 0x46 : byte)],
  ["IPv6", asked(question("web", TYPE.A)).map((byte, i) => i === 12 ? 0x86 : byte)],
  ["TCP that nobody began", asked(new Uint8Array(20), { protocol: 6 })],
];
for (const [name, packet, more] of LEFT_ALONE) {
  Deno.test(`questionProgram() leaves ${name} alone`, () => {
    assertEquals(new Box(SERVERS).ask(packet, more), {
      verdict: PASS,
      packet,
      redirect: undefined,
    });
  });
}

Deno.test("questionProgram() says SERVFAIL where nobody can be asked", () => {
  const opt = [0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0];
  const { verdict, packet } = new Box([]).ask(
    asked(question("example.com", TYPE.A, { tail: opt })),
  );
  const answer = readAnswer(packet);
  assertEquals([verdict, answer.flags, answer.counts], [PASS, SERVFAIL, [1, 0, 0, 0]]);
  assert(sound(packet), "checksums");
  assertEquals(answer.lengths, [0, 0]);
});

Deno.test("questionProgram() keeps names without a dot where ndots was given", () => {
  const box = new Box(SERVERS, true);
  const answer = answerTo(box, question("nobody", TYPE.A));
  assertEquals([answer.flags, answer.counts], [ANSWER, [1, 0, 0, 0]]);
  assertEquals(box.ask(asked(question("no.body", TYPE.A))).verdict, REDIRECT);
  assertEquals(box.ask(asked(question("nobody", TYPE.MX))).verdict, REDIRECT);
});

/** The server that a question goes to. */
const serverOf = (packet: Uint8Array) => [...packet.subarray(30, 34)].join(".");

function reply(from: string, id = 0x1234): Uint8Array {
  const payload = question("example.com", TYPE.A, { head: { 2: 0x81 }, id });
  const [sourcePort, destinationPort] = [53, 40_000];
  return frame({ source: from, destination: ADDRESS, sourcePort, destinationPort, payload });
}

Deno.test("replyProgram() brings an answer back to who asked", () => {
  const box = new Box(SERVERS);
  box.ask(asked(question("example.com", TYPE.A)));
  const { verdict, packet, redirect } = box.hear(reply(SERVERS[0]));
  assertEquals(verdict, REDIRECT);
  assertEquals(redirect, { to: "interface", index: 1, flags: 1 });
  assertEquals(readAnswer(packet).way, "127.0.0.11:53 127.0.0.1:40000");
  assertEquals(packet.subarray(0, 6), new Uint8Array(6));
  assert(sound(packet), "checksums");
});

Deno.test("replyProgram() leaves alone what nobody asked", () => {
  const box = new Box(SERVERS);
  box.ask(asked(question("example.com", TYPE.A)));
  const strangers = [reply(SERVERS[1]), reply(SERVERS[0], 0x1235)];
  const query = frame({
    ...{ source: SERVERS[0], destination: ADDRESS, sourcePort: 53, destinationPort: 40_000 },
    payload: question("example.com", TYPE.A),
  });
  for (const packet of [...strangers, query]) {
    assertEquals(box.hear(packet), { verdict: PASS, packet, redirect: undefined });
  }
});

Deno.test("questionProgram() passes over a server that is silent, for half a minute", () => {
  const box = new Box(SERVERS);
  let id = 1;
  const askAt = (seconds: number) => {
    const payload = question("example.com", TYPE.A, { id: id++ });
    return serverOf(box.ask(asked(payload), { ticks: BigInt(1000 + seconds * 250) }).packet);
  };
  assertEquals([askAt(0), askAt(0.5)], [SERVERS[0], SERVERS[0]], "an answer may take a second");
  assertEquals([askAt(1.5), askAt(2)], [SERVERS[1], SERVERS[1]]);
  box.hear(reply(SERVERS[1], 4));
  for (const seconds of [10, 31]) {
    assertEquals(askAt(seconds), SERVERS[1]);
    box.hear(reply(SERVERS[1], id - 1));
  }
  assertEquals(askAt(32), SERVERS[0], "the first has another chance");
});

Deno.test("questionProgram() asks the next server where the first one's answer did not help", () => {
  const box = new Box(SERVERS);
  const packet = asked(question("example.com", TYPE.A));
  assertEquals(serverOf(box.ask(packet).packet), SERVERS[0]);
  assertEquals(serverOf(box.ask(packet).packet), SERVERS[0], "it may have been lost");
  box.hear(reply(SERVERS[0]));
  assertEquals(serverOf(box.ask(packet).packet), SERVERS[1]);
});

const SYN = 0x02, ACK = 0x10;
function segment(flags: number): Uint8Array {
  const payload = new Uint8Array(12);
  payload[4] = 0x50;
  payload[5] = flags; // after the eight bytes that TCP has in UDP's place
  return asked(payload, { protocol: 6 });
}

Deno.test("questionProgram() keeps a connection of TCP with one server", () => {
  const box = new Box(SERVERS);
  assertEquals(serverOf(box.ask(segment(SYN)).packet), SERVERS[0]);
  assertEquals(serverOf(box.ask(segment(SYN)).packet), SERVERS[1], "the first did not answer");
  const answer = frame({
    ...{ source: SERVERS[1], destination: ADDRESS, sourcePort: 53, destinationPort: 40_000 },
    protocol: 6,
    payload: segment(SYN | ACK).subarray(42),
  });
  const heard = box.hear(answer);
  assertEquals(heard.redirect?.index, 1);
  assert(sound(heard.packet), "checksums");
  const { packet } = box.ask(segment(ACK));
  assertEquals(serverOf(packet), SERVERS[1]);
  assert(sound(packet), "checksums");
});
