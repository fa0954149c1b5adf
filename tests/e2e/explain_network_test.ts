/** `explain --as sh` of a container with a network: the script's container is on the bridge too. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { cgroupLayout } from "../../src/runtime/cgroup_layout.ts";
import { Engine } from "../lib/engine.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";
import { enterTestNetwork, interfaces } from "../lib/network_namespace.ts";

const engine = new Engine();
const box = engine.rootfs("box");
enterTestNetwork();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const tools = ["unshare", "setpriv", "mount", "nsenter", "ip"].every(hasProgram);

/** What a container says of itself; the cgroup's own name differs, where it is does not. */
const QUESTIONS = [
  "/bin/busybox hostname",
  "grep -E '^(Cap|NoNewPrivs)' /proc/self/status",
  "/bin/busybox awk '{ print $5 }' /proc/self/mountinfo | /bin/busybox sort",
  "/bin/busybox sed 's,[^/]*$,,' /proc/self/cgroup",
  "/bin/busybox ip -o address show eth0 | /bin/busybox grep -o 'inet [0-9./]*'",
  "/bin/busybox ip route",
  "/bin/busybox ping -c 1 -W 5 $(/bin/busybox ip route | /bin/busybox awk '/default/ { print $3 }') " +
  "| grep -c '1 packets received'",
].join("; ");

Deno.test({
  name: "explain: a script puts its container on the bridge, in a cgroup, under its name",
  ...skipUnless(isRoot() && tools, "needs root, unshare, setpriv, mount, nsenter, ip"),
  fn: async () => {
    const words = ["run", "--rm", "-m", "64m", "-h", "named", "--rootfs", `${box}:O`];
    const command = [...words, "/bin/sh", "-c", QUESTIONS];
    // Before anything is made: the plan already knows the network that the first use makes.
    const planned = JSON.parse(await engine.ok("explain", "--json", ...command));
    assertMatch(planned.network.links[0].addresses[0], /^\d+\.\d+\.\d+\.\d+\/16$/);
    assertEquals(interfaces(), ["lo"]);
    const script = engine.file("by-hand.sh", await engine.ok("explain", "--as", "sh", ...command));
    const { stdout, stderr } = new Deno.Command("sh", { args: [script] }).outputSync();
    const byHand = new TextDecoder().decode(stdout);
    assertEquals(byHand, (await engine.ok(...command)) + "\n", new TextDecoder().decode(stderr));
    assertStringIncludes(byHand, "named\n");
    // On v2 the container sees its own cgroup as the root.
    assertStringIncludes(byHand, cgroupLayout().version === 2 ? "::/\n" : "memory:/diplodock/\n");
    assertMatch(byHand, /\n1\n$/);
    assertEquals(interfaces().filter((name) => name.startsWith("h")), []);
  },
});
