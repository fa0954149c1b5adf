/** A DNS server for tests: UDP and TCP on one address, in the namespace this thread is in. */
import dgram from "node:dgram";
import { once } from "node:events";

const HEADER = 12;
const TRUNCATED = 0x02, NXDOMAIN = 3;

/** The name that a question is about. */
function nameIn(question: Uint8Array): string {
  const labels: string[] = [];
  for (let at = HEADER; question[at] !== 0; at += question[at] + 1) {
    labels.push(new TextDecoder().decode(question.subarray(at + 1, at + 1 + question[at])));
  }
  return labels.join(".").toLowerCase();
}

/** An answer to `question`, of which only the first question is kept. */
function answer(question: Uint8Array, byTcp: boolean, known: Map<string, string>): Uint8Array {
  let end = HEADER;
  while (question[end] !== 0) end += question[end] + 1;
  const head = [...question.subarray(0, end + 5)];
  const name = nameIn(question);
  const ip = known.get(name);
  const cut = name.startsWith("big.") && !byTcp;
  head[2] = 0x80 | (question[2] & 1) | (cut ? TRUNCATED : 0);
  head[3] = 0x80 | (ip === undefined ? NXDOMAIN : 0);
  head.fill(0, 6, HEADER);
  if (ip === undefined || cut || question[end + 2] !== 1) return new Uint8Array(head);
  head[7] = 1;
  const record = [0xc0, HEADER, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...ip.split(".").map(Number)];
  return new Uint8Array([...head, ...record]);
}

/** A question by TCP: its length, then itself, in as many pieces as it comes. */
async function readQuestion(connection: Deno.Conn): Promise<Uint8Array | undefined> {
  const buffer = new Uint8Array(1000);
  const view = new DataView(buffer.buffer);
  for (let count = 0; count < 2 || count < 2 + view.getUint16(0);) {
    const more = await connection.read(buffer.subarray(count)).catch(() => null);
    if (more === null) return undefined;
    count += more;
  }
  return buffer.subarray(2, 2 + view.getUint16(0));
}

/** Knows A records; names that begin with "big." by TCP only. Counts what it is asked. */
export class DnsServer implements AsyncDisposable {
  readonly asked: string[] = [];
  readonly #datagrams = dgram.createSocket("udp4");
  readonly #listener: Deno.Listener;
  readonly #done: Promise<void>;

  private constructor(hostname: string, private readonly known: Map<string, string>) {
    this.#datagrams.on("message", (question, from) => {
      this.asked.push(`udp ${nameIn(question)}`);
      this.#datagrams.send(answer(question, false, known), from.port, from.address);
    });
    this.#listener = Deno.listen({ hostname, port: 53 });
    this.#done = this.#serve();
  }

  static async open(hostname: string, known: Record<string, string>): Promise<DnsServer> {
    const server = new DnsServer(hostname, new Map(Object.entries(known)));
    server.#datagrams.bind(53, hostname);
    await once(server.#datagrams, "listening");
    return server;
  }

  async #serve(): Promise<void> {
    for await (const connection of this.#listener) {
      const question = await readQuestion(connection);
      if (question !== undefined) {
        this.asked.push(`tcp ${nameIn(question)}`);
        const bytes = answer(question, true, this.known);
        await connection.write(new Uint8Array([bytes.length >> 8, bytes.length & 0xff, ...bytes]))
          .catch(() => {});
      }
      connection.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#done;
    this.#datagrams.close();
  }
}
