/**
 * What this process itself does for a start with networks: bridges, interfaces, leases, rules,
 * files. Here each call fails once: a system call, a netlink request, a step of a program that runs
 * aside, a file call, the firewall's program. Whatever fails, nothing may be left: no interface,
 * address, rule, port, line in a neighbour's /etc/hosts, cgroup, process. Then it starts.
 */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { HostFaults } from "../lib/host_faults.ts";
import { Netlink } from "../../ffi/netlink.ts";
import { deleteLink } from "../../ffi/rtnetlink.ts";
import { describe } from "../../src/cli/exit.ts";
import { removeContainer } from "../../src/engine/stop.ts";
import { Engine, waitFor } from "../lib/engine.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";
import { makeContainer, names, traces } from "../lib/net_traces.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";
import { start, stop } from "../lib/started.ts";

// A monitor whose client is slow executes this file to clean up: by then all is done here.
if (Deno.args.includes("__cleanup")) Deno.exit(0);

const faults = new HostFaults();
const engine = new Engine();
for (const [name, value] of Object.entries(engine.env)) Deno.env.set(name, value);
Deno.test.afterAll(async () => {
  faults[Symbol.dispose]();
  await engine[Symbol.asyncDispose]();
});
const rootfs = engine.rootfs("root", (directory) => Deno.mkdirSync(`${directory}/etc`));
const make = (...flags: string[]) =>
  makeContainer(engine, [...flags, "--rootfs", rootfs, "/bin/sleep", "1000"]);

/** DIPLODOCK_ALL_STEPS=1 lets every call fail and not only the first two of each kind. */
const ALL = Deno.env.get("DIPLODOCK_ALL_STEPS") === "1";

/** Each kind of call up to its second. */
function chosen(seen: readonly string[]): string[] {
  return ALL ? [...seen] : seen.filter((call) => Number(call.split(" ").pop()) <= 2);
}

/** As on a machine that has just booted: no bridge, no rules. */
function forget(bridge: string): void {
  using netlink = Netlink.open();
  netlink.batch([deleteLink(bridge)]);
  for (const name of names(`${engine.run}/net`)) {
    if (/^(firewall|rules)/.test(name)) Deno.removeSync(`${engine.run}/net/${name}`);
  }
}

const NEIGHBOUR = ["--network", "app", "--name", "neighbour", "-p", "8090:90"];
const CONFIGS: [name: string, flags: string[], fresh: boolean][] = [
  [
    "beside a neighbour, with ports",
    ["--network", "app", "-p", "8080:80", "-p", "53:53/udp"],
    false,
  ],
  ["after a boot", ["--network", "alone", "--net-rate", "10mbit"], true],
  ["with proxies", ["--network", "app", "--userland-proxy", "-p", "8081:80"], false],
];

for (const [name, flags, fresh] of CONFIGS) {
  Deno.test({
    name: `a start ${name} undoes everything whichever call of the host's side fails`,
    ...skipUnless(isRoot(), "needs root"),
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      enterTestNetwork();
      await engine.ok("network", "create", "--ipv6", "app");
      const alone = await engine.ok("network", "create", "alone");
      const neighbour = await start(await make(...NEIGHBOUR));
      const hosts = () => Deno.readTextFileSync(neighbour.record.HostsPath);
      const record = await make(...flags);
      const look = () => {
        if (fresh) forget(`dd-${alone.slice(0, 12)}`);
        return [...traces(engine), hosts()];
      };
      const before = look();
      faults.watch();
      const first = await start(record);
      faults.rest();
      const wanted = chosen(faults.seen);
      await stop(first);
      assert(wanted.length > 60, `${wanted.length} calls`);
      let failures = 0;
      for (const call of wanted) {
        if (fresh) forget(`dd-${alone.slice(0, 12)}`);
        faults.watch(call);
        try {
          const started = await start(record);
          faults.rest();
          await stop(started);
        } catch (error) {
          faults.rest();
          const { text } = await describe(error, "run");
          assert(!text.includes("internal error"), `${call}: ${(error as Error).stack}`);
          assertNotEquals(text, "");
          failures++;
        }
        await waitFor(() => look().join() === before.join()).catch(() => {});
        assertEquals(look(), before, call);
      }
      assert(failures > wanted.length / 4, `${failures} of ${wanted.length} calls failed`);
      await stop(await start(record));
      await stop(neighbour);
      await removeContainer(record.Id, { force: true, volumes: true });
      await removeContainer(neighbour.record.Id, { force: true, volumes: true });
      await engine.ok("network", "rm", "app", "alone");
    },
  });
}
