/**
 * A machine to test networks on: this thread in a network namespace of its own, so that neither
 * the real machine's interfaces nor its rules are touched, and another host on a cable to it.
 */
import { CLONE_NEWNET } from "../../ffi/constants.ts";
import { type Fd, openAt } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import { Netlink } from "../../ffi/netlink.ts";
import { addAddress, addVeth, defaultRoute, linkUp } from "../../ffi/rtnetlink.ts";
import { parseIp } from "../../src/net/address.ts";
import { connectContainer, type Connection, type ConnectRequest } from "../../src/net/attach.ts";
import { disconnectContainer } from "../../src/net/attach.ts";
import { newId } from "../../src/net/networks.ts";
import { type NetPlaces, netPlaces } from "../../src/net/places.ts";
import { createSandbox, type Sandbox } from "../../src/net/sandbox.ts";

/** The test machine's own address on the cable, and the other host's. */
export const HOST_IP = "198.51.100.1";
export const OTHER_IP = "198.51.100.2";
export const HOST_IP6 = "fd00:51::1";
export const OTHER_IP6 = "fd00:51::2";

/** Whether these tests can run at all. */
export const isRoot = Deno.uid() === 0;

/** Is the program installed? */
export function hasProgram(name: string): boolean {
  return ["/usr/sbin", "/sbin", "/usr/bin"].some((dir) => {
    try {
      return Deno.statSync(`${dir}/${name}`).isFile;
    } catch {
      return false;
    }
  });
}

/** Runs `body` with only this way to give rules. */
export async function withFirewall(name: string, body: () => Promise<void>): Promise<void> {
  Deno.env.set("DIPLODOCK_FIREWALL", name);
  try {
    await body();
  } finally {
    Deno.env.delete("DIPLODOCK_FIREWALL");
  }
}

/** A container without a process: its namespace is what networks are about. */
export interface Container extends Connection {
  readonly sandbox: Sandbox;
  readonly ip: string;
}

/** The machine; disposing it removes everything. */
export class Host implements AsyncDisposable {
  readonly dir = Deno.makeTempDirSync({ prefix: "diplodock-net-" });
  readonly places: NetPlaces = netPlaces(`${this.dir}/root`, `${this.dir}/run`);
  readonly #origin: Fd;
  readonly #namespace: Fd;
  readonly other: Sandbox;
  readonly #containers = new Set<Container>();

  constructor() {
    this.#origin = openAt(null, "/proc/thread-self/ns/net");
    check("make a test namespace", "unshare", CLONE_NEWNET);
    this.#namespace = openAt(null, "/proc/thread-self/ns/net");
    this.other = createSandbox();
    this.#connectOther();
  }

  #connectOther(): void {
    using netlink = Netlink.open();
    netlink.batch([
      linkUp("lo"),
      addVeth({
        host: { name: "cable" },
        peer: { name: "cable" },
        peerNamespace: this.other.netns.raw,
      }),
    ]);
    const here = netlink.link("cable")!.index;
    const there = this.other.netlink.link("cable")!.index;
    netlink.batch([
      addAddress(here, parseIp(HOST_IP)!, 24),
      addAddress(here, parseIp(HOST_IP6)!, 64),
      linkUp(here),
    ]);
    this.other.netlink.batch([
      addAddress(there, parseIp(OTHER_IP)!, 24),
      addAddress(there, parseIp(OTHER_IP6)!, 64),
      linkUp(there),
      // So that a packet that is not translated is lost in the firewall, not for want of a route.
      defaultRoute(there, parseIp(HOST_IP)!),
    ]);
  }

  /** Connects a container with these wishes. */
  async connect(
    wishes: Partial<ConnectRequest> = {},
    sandbox = createSandbox(),
  ): Promise<Container> {
    const id = newId();
    const hostsPath = `${this.dir}/${id}.hosts`;
    const connection = await connectContainer(this.places, {
      id,
      name: id.slice(0, 8),
      hostname: id.slice(0, 12),
      networks: [{ network: "bridge" }],
      portBindings: {},
      exposed: [],
      publishAll: false,
      hostsPath,
      hosts: () => "127.0.0.1\tlocalhost\n",
      ...wishes,
    }, () => sandbox).catch((error) => {
      sandbox[Symbol.dispose]();
      throw error;
    });
    await connection.settle();
    const ip = connection.state.endpoints[0].ipv4?.ip ?? connection.state.endpoints[0].ipv6!.ip;
    const container: Container = {
      ...connection,
      sandbox,
      ip,
      [Symbol.dispose]: () => {
        connection[Symbol.dispose]();
        sandbox[Symbol.dispose]();
        this.#containers.delete(container);
      },
    };
    this.#containers.add(container);
    return container;
  }

  /** Ends a container as the engine does. */
  async end(container: Container): Promise<void> {
    await disconnectContainer(this.places, container.state);
    container[Symbol.dispose]();
  }

  /** Runs `body` with this thread in another namespace: sockets it opens are there. */
  async within<T>(sandbox: Sandbox, body: () => Promise<T> | T): Promise<T> {
    check("enter a test namespace", "setns", sandbox.netns.raw, CLONE_NEWNET);
    try {
      return await body();
    } finally {
      check("come back", "setns", this.#namespace.raw, CLONE_NEWNET);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const container of [...this.#containers]) await this.end(container);
    this.other[Symbol.dispose]();
    check("go home", "setns", this.#origin.raw, CLONE_NEWNET);
    this.#namespace[Symbol.dispose]();
    this.#origin[Symbol.dispose]();
    Deno.removeSync(this.dir, { recursive: true });
  }
}

/** A server that tells every client the address it sees. */
export class Server implements AsyncDisposable {
  #listener: Deno.Listener;
  #done: Promise<void>;
  constructor(hostname: string, port: number) {
    this.#listener = Deno.listen({ hostname, port });
    this.#done = this.#serve();
  }
  async #serve(): Promise<void> {
    for await (const connection of this.#listener) {
      const { hostname } = connection.remoteAddr as Deno.NetAddr;
      await connection.write(new TextEncoder().encode(hostname)).catch(() => {});
      connection.close();
    }
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#done;
  }
}

/** How long silence has to last to count as lost packets, where that is what is expected. */
export const SILENCE_MS = 400;

/**
 * What a Server answers, or "refused", or "timeout", or "closed" if it says nothing. The first packet of IPv6 on a bridge that was
 * made just now may be lost, and is sent again after a second.
 */
export async function ask(
  hostname: string,
  port: number,
  limitMs = 30_000,
  readMs = limitMs,
): Promise<string> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), limitMs);
  try {
    using connection = await Deno.connect({ hostname, port, signal: abort.signal });
    const bytes = new Uint8Array(100);
    const timedOut = setTimeout(() => connection.close(), readMs);
    const count = await connection.read(bytes).catch(() => null);
    clearTimeout(timedOut);
    return count === null ? "closed" : new TextDecoder().decode(bytes.subarray(0, count));
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return "refused";
    if (abort.signal.aborted) return "timeout";
    return (error as Error).message;
  } finally {
    clearTimeout(timer);
  }
}
