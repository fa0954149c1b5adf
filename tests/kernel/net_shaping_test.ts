/** What a container sends is limited, delayed and lost: read from the kernel's own counters. */
import dgram from "node:dgram";
import { once } from "node:events";
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Netlink } from "../../ffi/netlink.ts";
import {
  attributeText,
  BodyWriter,
  NLM_F_DUMP,
  parseAttributes,
} from "../../ffi/netlink_message.ts";
import { waitFor } from "../lib/engine.ts";
import { type Container, Host, isRoot } from "./net_host.ts";

const ignore = !isRoot;
const RTM_GETQDISC = 38;
const TCA_KIND = 1, TCA_OPTIONS = 2, TCA_STATS2 = 7, TCA_STATS_QUEUE = 3;

/** A queueing discipline of an interface. */
interface Qdisc {
  kind: string;
  options: Uint8Array;
  queued: number;
  drops: number;
  overlimits: number;
}

/** The disciplines of interface `name`. linux/gen_stats.h: struct gnet_stats_queue. */
function qdiscs(netlink: Netlink, name: string): Qdisc[] {
  const { index } = netlink.link(name)!;
  const body = new BodyWriter().u32(0).u32(0).u32(0).u32(0).u32(0).done();
  const request = { goal: "list qdiscs", type: RTM_GETQDISC, flags: NLM_F_DUMP, body };
  return netlink.ask(request).flatMap((answer) => {
    const view = new DataView(answer.buffer, answer.byteOffset);
    if (view.getUint32(4, true) !== index) return [];
    const attributes = parseAttributes(answer.subarray(20));
    const stats = parseAttributes(attributes.get(TCA_STATS2)!).get(TCA_STATS_QUEUE)!;
    const counter = (at: number) =>
      new DataView(stats.buffer, stats.byteOffset).getUint32(at, true);
    return [{
      kind: attributeText(attributes.get(TCA_KIND))!,
      options: attributes.get(TCA_OPTIONS)!,
      queued: counter(0),
      drops: counter(8),
      overlimits: counter(16),
    }];
  });
}

/** A socket on this machine that counts datagrams, and one in the container that sends them. */
class Exchange implements Disposable {
  received = 0;
  private constructor(
    readonly listener: dgram.Socket,
    readonly sender: dgram.Socket,
    readonly broadcast: string,
  ) {}
  static async open(host: Host, container: Container): Promise<Exchange> {
    const listener = dgram.createSocket("udp4");
    listener.bind(7000, "0.0.0.0");
    await once(listener, "listening");
    const sender = await host.within(container.sandbox, async () => {
      const socket = dgram.createSocket("udp4");
      socket.bind(0, "0.0.0.0");
      await once(socket, "listening");
      return socket;
    });
    sender.setBroadcast(true); // a broadcast needs no ARP, which would be lost as well
    const exchange = new Exchange(
      listener,
      sender,
      container.ip.replace(/\.\d+\.\d+$/, ".255.255"),
    );
    listener.on("message", () => exchange.received++);
    return exchange;
  }
  send(bytes = 100): Promise<void> {
    return new Promise((resolve, reject) => {
      const data = new Uint8Array(bytes);
      this.sender.send(data, 7000, this.broadcast, (error) => error ? reject(error) : resolve());
    });
  }
  [Symbol.dispose](): void {
    this.listener.close();
    this.sender.close();
  }
}

Deno.test({
  name: "a rate makes the packets of a container wait",
  ignore,
  fn: async () => {
    await using host = new Host();
    const a = await host.connect({ shaping: { rateBits: 4_000_000 } });
    using exchange = await Exchange.open(host, a);
    const bucket = () => qdiscs(a.sandbox.netlink, "eth0")[0];
    // A machine may send slower than the bucket fills: more at once, until some have to wait.
    for (let round = 0; round < 50 && bucket().overlimits === 0; round++) {
      await Promise.allSettled(Array.from({ length: 60 }, () => exchange.send(1400)));
    }
    const tbf = bucket();
    assertEquals(tbf.kind, "tbf");
    assert(tbf.overlimits > 0, "some had to wait");
    const parms = parseAttributes(tbf.options).get(1)!;
    const rate = new DataView(parms.buffer, parms.byteOffset).getUint32(8, true);
    assertEquals(rate, 500_000, "bytes a second");
    await waitFor(() => exchange.received > 0);
  },
});

/** As many as fit into the buffer of a socket that nobody reads. */
const SENT = 200;
/** netem where the kernel has it, else a program. */
const LOSSES: [percent: number, least: number, most: number][] = [
  [50, 44, 156], // eight standard deviations around 100
  [100, 0, 0],
  [0.0001, 195, SENT],
];
for (const [lossPercent, least, most] of LOSSES) {
  Deno.test({
    name: `of ${SENT} packets ${lossPercent} % are lost`,
    ignore,
    fn: async () => {
      await using host = new Host();
      const a = await host.connect({ shaping: { lossPercent } });
      const b = await host.connect();
      using exchange = await Exchange.open(host, a);
      for (let i = 0; i < SENT; i++) await exchange.send();
      // The neighbour's packets are not lost, and come after the others.
      using marker = await host.within(b.sandbox, () => udpSender());
      const last = new Promise<void>((resolve) =>
        exchange.listener.on("message", (data) => String(data) === "last" && resolve())
      );
      marker.socket.send("last", 7000, b.state.endpoints[0].ipv4!.gateway);
      await last;
      const count = exchange.received - 1;
      assert(count >= least && count <= most, `${count} of ${SENT} arrived`);
    },
  });
}

async function udpSender(): Promise<{ socket: dgram.Socket } & Disposable> {
  const socket = dgram.createSocket("udp4");
  socket.bind(0, "0.0.0.0");
  await once(socket, "listening");
  return { socket, [Symbol.dispose]: () => socket.close() };
}

Deno.test({
  name: "a delay holds packets back, or is refused where the kernel has no netem",
  ignore,
  fn: async () => {
    await using host = new Host();
    const wish = { shaping: { delayMicros: 3_000_000, rateBits: 8_000_000_000 } };
    const a = await host.connect(wish).catch((error: Error) => error);
    if (a instanceof Error) {
      assertEquals(Deno.env.get("DIPLODOCK_TEST_NETEM"), undefined, "this kernel has netem");
      await assertRejects(() => host.connect(wish), Error, "this kernel has no netem");
      assertEquals((await host.connect()).ip.endsWith(".2"), true, "the lease was given back");
      return;
    }
    using exchange = await Exchange.open(host, a);
    await exchange.send();
    const [netem, tbf] = qdiscs(a.sandbox.netlink, "eth0");
    assertEquals([netem.kind, tbf.kind], ["netem", "tbf"]);
    assertEquals([netem.queued, exchange.received], [1, 0]);
    await waitFor(() => exchange.received === 1);
  },
});
