/**
 * Takes the thread of a test file, and with it every command it starts, to a network namespace
 * of its own: bridges and rules of the tests are made there and vanish with it.
 */
import { CLONE_NEWNET } from "../../ffi/constants.ts";
import { check } from "../../ffi/libc.ts";
import { Netlink } from "../../ffi/netlink.ts";
import { linkUp } from "../../ffi/rtnetlink.ts";
import type { Engine } from "./engine.ts";
import { isRoot } from "./skip.ts";

/** To be called once, before anything is started. Nothing happens for an ordinary user. */
export function enterTestNetwork(): void {
  if (!isRoot()) return;
  check("make a test namespace", "unshare", CLONE_NEWNET);
  using netlink = Netlink.open();
  netlink.batch([linkUp("lo")]);
}

/** Names of this namespace's interfaces. */
export function interfaces(): string[] {
  using netlink = Netlink.open();
  return netlink.links().map((link) => link.name);
}

/** What a server on 127.0.0.1 or ::1 says, or the error. */
export async function hear(hostname: string, port: number): Promise<string> {
  try {
    using connection = await Deno.connect({ hostname, port });
    const bytes = new Uint8Array(1000);
    const timer = setTimeout(() => connection.close(), 5000);
    const count = await connection.read(bytes).catch(() => null);
    clearTimeout(timer);
    return count === null ? "" : new TextDecoder().decode(bytes.subarray(0, count)).trim();
  } catch (error) {
    return (error as Error).name;
  }
}

/** The processes that watch over the rules of an engine. */
export function watches(engine: Engine): { pid: number; words: string }[] {
  return engine.processes().filter(({ words }) => words.startsWith("diplodock-rules "));
}
