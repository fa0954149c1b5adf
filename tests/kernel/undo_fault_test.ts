/**
 * A start fails at its last step, execve, and then a call of taking it back fails too: an interface,
 * a cgroup, a file, the firewall's program. The error is that of the start, on one line; the next
 * command finds what is left, even after the client has ended, and a later start works.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { EPERM } from "../../ffi/errno.ts";
import { describe } from "../../src/cli/exit.ts";
import { sweep } from "../../src/engine/cleanup.ts";
import { Engine, waitFor } from "../lib/engine.ts";
import { HostFaults } from "../lib/host_faults.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";
import { makeContainer, traces } from "../lib/net_traces.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";
import { start, stop } from "../lib/started.ts";

// A monitor whose client is slow executes this file to clean up: by then all is done here.
if (Deno.args.some((word) => word.startsWith("__"))) Deno.exit(0);

const faults = new HostFaults(true);
const engine = new Engine();
for (const [name, value] of Object.entries(engine.env)) Deno.env.set(name, value);
Deno.test.afterAll(async () => {
  faults[Symbol.dispose]();
  await engine[Symbol.asyncDispose]();
});
const rootfs = engine.rootfs("root", (directory) => Deno.mkdirSync(`${directory}/etc`));

/** What the next command does once this process is gone: it is not found under its number. */
async function nextCommand(): Promise<void> {
  const real = Deno.readTextFileSync;
  Object.defineProperty(Deno, "readTextFileSync", {
    configurable: true,
    writable: true,
    value: (path: string) => {
      if (path === `/proc/${Deno.pid}/stat`) throw new Deno.errors.NotFound(path);
      return real(path);
    },
  });
  try {
    await sweep();
  } finally {
    Object.defineProperty(Deno, "readTextFileSync", {
      configurable: true,
      writable: true,
      value: real,
    });
  }
}

/** Of the calls of the failed start, those behind the last that a whole one makes, too. */
function undoing(failed: readonly string[], whole: readonly string[]): string[] {
  const differs = failed.findIndex((call, i) => call !== whole[i]);
  const kinds =
    /^(removeSync|unlinkat|umount2|netlink|renameSync|writeTextFileSync|program|flock) ?/;
  return failed.slice(differs).filter((call) => kinds.test(call));
}

Deno.test({
  name: "what a failed start could not take back is found by the next command",
  ...skipUnless(isRoot(), "needs root"),
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    enterTestNetwork();
    await engine.ok("network", "create", "app");
    const make = (...words: string[]) =>
      makeContainer(engine, [
        "--network",
        "app",
        ...words.slice(0, 2),
        "--rootfs",
        rootfs,
        ...words.slice(2),
      ]);
    const neighbour = await start(await make("-p", "8090:90", "/bin/sleep", "1000"));
    const sound = await make("-p", "8080:80", "/bin/sleep", "1000");
    const broken = await make("-p", "8080:80", "/bin/nope");
    const hosts = () => Deno.readTextFileSync(neighbour.record.HostsPath);
    const look = () => [...traces(engine), hosts()];
    const before = look();
    // The kernel removes a dead namespace's interfaces a moment later.
    const isAsBefore = async (why: string) => {
      await waitFor(() => look().join() === before.join()).catch(() => {});
      assertEquals(look(), before, why);
    };
    const files = () => look().filter((line) => !line.startsWith("dd")).join();
    const fail = async (call?: string, isLasting = false): Promise<string> => {
      faults.watch(call, { isLasting, errno: EPERM });
      const error = await start(broken).then(() => assert(false), (error) => error);
      faults.rest();
      const { text, code } = await describe(error, "run");
      assertMatch(text, /^[^\n]*exec: "\/bin\/nope"[^\n]*$/, `${call}: ${(error as Error).stack}`);
      assertEquals(code, 127);
      return text;
    };
    faults.watch();
    await stop(await start(sound).finally(() => faults.rest()));
    const whole = faults.seen;
    const text = await fail();
    await isAsBefore("without a further failure");
    const sane = files();
    const wanted = undoing(faults.seen, whole);
    let left = 0;
    for (const isLasting of [false, true]) {
      for (const call of wanted) {
        assertEquals(await fail(call, isLasting), text);
        if (files() !== sane) left++;
        await nextCommand();
        await isAsBefore(`${call}${isLasting ? " and what follows" : ""}`);
      }
    }
    assert(left > 3, `${left} calls left anything`);
    await stop(await start(sound));
    await isAsBefore("in the end");
    await stop(neighbour);
  },
});
