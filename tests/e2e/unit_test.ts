/** What a start leaves running is in none of the units of systemd: it would end with them. */
import { assert, assertEquals } from "@std/assert";
import { removeCgroup } from "../../src/runtime/cgroup.ts";
import { openCgroup } from "../../src/runtime/cgroup_place.ts";
import { cgroupDirectory, cgroupLayout } from "../../src/runtime/cgroup_layout.ts";
import { whyNoCgroups } from "../lib/cgroup_box.ts";
import { Engine, PROGRAM, waitFor } from "../lib/engine.ts";
import { read, runProgram } from "../lib/oci_box.ts";
import { skipUnless } from "../lib/skip.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";

enterTestNetwork();

/** The hierarchies by which systemd knows its units. */
const trees = cgroupLayout().hierarchies.filter(({ controllers, root }) =>
  controllers.length === 0 && root === "/"
);
const why = whyNoCgroups() ?? (trees.length === 0 ? "no hierarchy is systemd's" : undefined);

Deno.test({
  name: "monitors, proxies and health checks are in a cgroup of their own",
  ...skipUnless(why === undefined, `units: ${why}`),
  async fn() {
    await using engine = new Engine();
    const unit = `/diplodock-e2e-${Deno.pid}.service`;
    const places = trees.map((tree) => cgroupDirectory(tree, unit));
    try {
      for (const place of places) Deno.mkdirSync(place);
      const enter = places.map((place) => `echo $$ > ${place}/cgroup.procs`).join(" && ");
      const { code, stderr } = await runProgram([
        ...["sh", "-c", `${enter} && exec "$@"`, "sh", PROGRAM, "run", "-d", "--name", "kept"],
        ...["-p", "[::1]::80", "--health-cmd", "true", "--health-interval", "10m"],
        ...["host", "sleep", "600"],
      ], { env: engine.env });
      assertEquals(code, 0, stderr);
      const id = await engine.inspect("kept", "{{.Id}}");
      // Others may have proxies too, but not in the network namespace of this test.
      const network = Deno.readLinkSync("/proc/thread-self/ns/net");
      const ours = () =>
        processes().filter(({ pid, words }) =>
          words.includes(id.slice(0, 12)) ||
          (words.startsWith("diplodock-proxy ") && namespaceOf(pid) === network)
        );
      const names = () => ours().map(({ words }) => words.split(" ")[0]).sort();
      const wanted = ["diplodock-health", "diplodock-monitor", "diplodock-proxy"];
      await waitFor(() => names().join() === wanted.join())
        .catch(() => assertEquals(names(), wanted));
      for (const { pid, words } of ours()) {
        const own = read(`/proc/${pid}/cgroup`).split("\n")
          .filter((line) => /^\d+:(name=systemd)?:/.test(line));
        assertEquals(own.length, trees.length, words);
        for (const line of own) assert(line.endsWith(":/diplodock/monitors"), `${words}: ${line}`);
      }
      await engine.ok("rm", "-f", "kept");
    } finally {
      await removeCgroup(openCgroup(unit));
    }
  },
});

/** All processes, by their words. */
function processes(): { pid: number; words: string }[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => pid > 0)
    .map((pid) => ({ pid, words: read(`/proc/${pid}/cmdline`).replaceAll("\0", " ") }));
}

function namespaceOf(pid: number): string {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return ""; // it has just ended
  }
}
