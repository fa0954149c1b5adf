/** What a start makes on the machine, to see that nothing of it is left. */
import { Netlink } from "../../ffi/netlink.ts";
import { parseRunFlags } from "../../src/cli/run_flags.ts";
import { createContainer } from "../../src/engine/create.ts";
import type { ContainerRecord } from "../../src/engine/types.ts";
import type { Engine } from "./engine.ts";

/** Names in a directory; none where it is not there. */
export function names(path: string): string[] {
  try {
    return Array.from(Deno.readDirSync(path), ({ name }) => name);
  } catch {
    return [];
  }
}

function linesOf(program: string): string[] {
  const { stdout } = new Deno.Command(program).outputSync();
  return new TextDecoder().decode(stdout).split("\n");
}

/** Everything that a start makes and its end takes away. */
export function traces(engine: Engine): string[] {
  using netlink = Netlink.open();
  const net = `${engine.run}/net`;
  return [
    ...netlink.links().map(({ name }) => name).filter((name) => /^dd[0-9a-f]{11}/.test(name)),
    ...names(`${net}/containers`).map((name) => `state ${name}`),
    ...names(`${net}/leases`).flatMap((id) => names(`${net}/leases/${id}`)),
    ...["iptables-save", "ip6tables-save"].flatMap(linesOf)
      .filter((line) => line.includes("-j DNAT")),
    ...["tcp", "tcp6", "udp", "udp6"].flatMap((table) =>
      Deno.readTextFileSync(`/proc/thread-self/net/${table}`).trim().split("\n").slice(1)
        .map((line) => line.trim().split(/\s+/))
        .filter(([, , , state]) => table.startsWith("udp") || state === "0A")
        .map(([, address]) => `${table} ${address}`)
    ),
    ...engine.leftovers().filter((line) =>
      !/ __(cleanup|rules)\b/.test(line) && /^(mount|process|cgroup|run)/.test(line)
    ),
    ...names(`${engine.run}/containers`),
  ].sort();
}

/** Makes the container of a `run` with these words. */
export async function makeContainer(engine: Engine, words: string[]): Promise<ContainerRecord> {
  const { create } = parseRunFlags("run", words);
  const record = await createContainer(create, { command: [], warn: () => {} });
  engine.remember([record.Id]);
  return record;
}
