/**
 * Ports that are published without a program: each call and each message of the talk with nf_tables
 * fails once, in the ways the kernel knows. The rules are then those of before or those that were
 * asked for, never half of them; what fails says so on one line; the next command mends.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { EBUSY, ENOBUFS, EPERM } from "../../ffi/errno.ts";
import { describe } from "../../src/cli/exit.ts";
import { readApplied } from "../../src/net/applied.ts";
import { natChain } from "../../src/net/native_rules.ts";
import { proveNative } from "../../src/net/native_proof.ts";
import { restoreLostRules } from "../../src/net/rules_watch.ts";
import { type Failure, HostFaults } from "../lib/host_faults.ts";
import { hasProgram, Host, isRoot } from "./net_host.ts";

const faults = new HostFaults();
Deno.test.afterAll(() => faults[Symbol.dispose]());
const ignore = !isRoot || !hasProgram("iptables-restore");
const options = { ignore, sanitizeOps: false, sanitizeResources: false };

const publish = (hostPort: string) => ({
  portBindings: { "80/tcp": [{ HostIp: "", HostPort: hostPort }] },
});

function sh(line: string): string {
  const { stdout } = new Deno.Command("sh", { args: ["-c", line] }).outputSync();
  return new TextDecoder().decode(stdout);
}

/** Our rules, without the addresses that containers have by chance. */
const rules = () => sh("iptables-save | grep -- '-[AN] DD-' | sort").replace(/10(\.\d+){3}/g, "IP");

const WAYS: [name: string, how: Failure][] = [
  ["EPERM", { errno: EPERM }],
  ["ENOBUFS", { errno: ENOBUFS }],
  ["EBUSY", { errno: EBUSY }],
  ["half of it", { isCut: true }],
];

/** DIPLODOCK_ALL_STEPS=1 lets every call fail with every error and not only with one of them. */
const ALL = Deno.env.get("DIPLODOCK_ALL_STEPS") === "1";

/** Can half of it happen? */
const isTransfer = (call: string) => /^(netlink sendto|recvfrom) /.test(call);

/** Of the calls that were seen, those of the talk with the kernel that are to fail in this way. */
function ofTheTalk(seen: readonly string[], way: number): string[] {
  if (WAYS[way][1].isCut) return seen.filter(isTransfer);
  const calls = seen.filter((call) => /^(socket|netlink sendto|recvfrom) /.test(call));
  // Requests of nf_tables and a batch's two ends: the kernel refuses them in a way of its own.
  const requests = seen.filter((call) => /^netlink (1[67]|2[5-9]\d\d) /.test(call));
  return [
    ...calls.filter((_, i) => ALL || i % (WAYS.length - 1) === way),
    ...(way === 0 ? requests : []),
  ];
}

async function oneLine(error: unknown): Promise<string> {
  const { text } = await describe(error, "run");
  assertMatch(text, /^[^\n]+$/);
  assert(!text.includes("internal error"), (error as Error).stack);
  return text;
}

/** A machine whose iptables speaks to nf_tables in the expressions that we know, and a neighbour. */
async function prepared(host: Host): Promise<boolean> {
  await host.connect(publish("8080"));
  return readApplied(host.places)?.native?.[4] === true;
}

Deno.test({
  name: "a port is published or not, and its neighbour's stays, whichever call to nf_tables fails",
  ...options,
  fn: async () => {
    await using host = new Host();
    if (!await prepared(host)) return;
    const before = rules();
    faults.watch();
    const first = await host.connect(publish("8081"));
    faults.rest();
    const { seen } = faults;
    const published = rules();
    await host.end(first);
    assertEquals(rules(), before);
    // It did go without a program.
    assert(seen.every((call) => !call.startsWith("program ")), seen.join());
    for (const [index, [name, how]] of WAYS.entries()) {
      const wanted = ofTheTalk(seen, index);
      assert(wanted.length > 3, wanted.join());
      for (const call of wanted) {
        const what = `${call}: ${name}`;
        faults.watch(call, how);
        try {
          const container = await host.connect(publish("8081"));
          faults.rest();
          assertEquals(rules(), published, what);
          await host.end(container);
        } catch (error) {
          faults.rest();
          await oneLine(error);
        }
        await restoreLostRules(host.places);
        assertEquals(rules(), before, what);
      }
    }
  },
});

Deno.test({
  name: "a port is published, and a neighbour's rule stays, if somebody is at the rules meanwhile",
  ...options,
  fn: async () => {
    await using host = new Host();
    if (!await prepared(host)) return;
    const first = await host.connect(publish("8081"));
    const published = rules();
    await host.end(first);
    faults.watch();
    await host.end(await host.connect(publish("8081")));
    faults.rest();
    const sending = faults.seen.filter((call) => call.startsWith("netlink sendto "));
    for (const [i, call] of sending.entries()) {
      faults.watch(call, { before: () => void sh(`iptables -t nat -N OTHER${i}`) });
      const container = await host.connect(publish("8081"));
      faults.rest();
      assertEquals(rules(), published, call);
      await host.end(container);
      await restoreLostRules(host.places);
    }
    const others = sh("iptables-save -t nat | grep -c ^:OTHER").trim();
    assert(Number(others) > 3, `${others} chains of somebody else`);
  },
});

Deno.test({
  name: "a proof of our expressions that is cut off leaves no chain, and says nothing of them",
  ...options,
  fn: async () => {
    await using host = new Host();
    if (!await prepared(host)) return;
    const prove = () => proveNative(host.places, "iptables", 4);
    const { chain } = natChain(4, host.places.tag, "PROOF");
    faults.watch();
    assertEquals(await prove(), true);
    faults.rest();
    const calls = faults.seen.filter((call) => /^(socket|netlink sendto|recvfrom) /.test(call));
    assert(calls.length > 10, calls.join());
    for (const call of calls) {
      const ways: Failure[] = [{ errno: ENOBUFS }, ...isTransfer(call) ? [{ isCut: true }] : []];
      for (const how of ways) {
        faults.watch(call, how);
        const proven = await prove();
        faults.rest();
        // Without the number of the rules there is still the lock of our own.
        assert(proven !== false, call);
        assertEquals(sh("iptables-save -t nat").includes(chain), false, call);
      }
    }
  },
});
