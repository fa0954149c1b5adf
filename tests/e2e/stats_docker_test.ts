/** What stats measures is what docker measures, of the same container. */
import { assert, assertEquals } from "@std/assert";
import { openCgroup } from "../../src/runtime/cgroup_place.ts";
import { readStats } from "../../src/runtime/cgroup_stats.ts";
import { waitFor } from "../lib/engine.ts";
import { type Peer, startDocker } from "../lib/peer_engines.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";

enterTestNetwork();

const missing = ["docker", "dockerd", "containerd", "runc", "iptables", "busybox"]
  .filter((program) => !hasProgram(program));
const MIB = 1 << 20;

/** docker's figures of a container, as its API has them: no command shows the CPU time. */
async function apiStats(peer: Peer, id: string) {
  using socket = await Deno.connect({ transport: "unix", path: `${peer.place.top}/docker.sock` });
  const request = `GET /containers/${id}/stats?stream=false&one-shot=true HTTP/1.0\r\n\r\n`;
  await socket.write(new TextEncoder().encode(request));
  const text = await new Response(socket.readable).text();
  return JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4));
}

Deno.test({
  name: "memory, CPU time and processes are docker's figures for the same load",
  ...skipUnless(isRoot() && missing.length === 0, `docker: needs root, ${missing.join(", ")}`),
  fn: async () => {
    await using peer = await startDocker("runc");
    // 40 MB in use, 16 MB of page cache that is read once, a loop that half a CPU is left for.
    const script = "head -c 16777216 /dev/zero > /file; cat /file > /dev/null; " +
      "(head -c 40000000 /dev/zero; : > /ready; sleep 600) | tail -c 40000000 > /dev/null & " +
      "while :; do :; done";
    const id = await peer.ok(
      ...["run", "-d", "--network", "none", "-m", "128m", "--cpus", ".5", "--name", "load"],
      ...["small", "sh", "-c", script],
    );
    await waitFor(async () => (await peer.run("exec", "load", "test", "-e", "/ready")).code === 0);
    const cgroup = openCgroup(`${peer.place.cgroup}/${id}`);
    // A command of exec counts until it was waited for.
    await waitFor(async () =>
      (await apiStats(peer, id)).pids_stats.current === readStats(cgroup)!.pids
    );
    const before = readStats(cgroup)!;
    const { cpu_stats, memory_stats, pids_stats } = await apiStats(peer, id);
    const after = readStats(cgroup)!;
    const cpu = cpu_stats.cpu_usage.total_usage;
    assert(before.cpuNanos <= cpu && cpu <= after.cpuNanos, `${before.cpuNanos} ${cpu}`);
    assertEquals([after.pids, after.memoryLimitBytes], [pids_stats.current, memory_stats.limit]);
    const columns = "{{.MemUsage}}|{{.PIDs}}";
    const shown = await peer.ok("stats", "--no-stream", "--format", columns, "load");
    const [memory, pids] = shown.split("|");
    const { memoryBytes } = readStats(cgroup)!;
    assert(memoryBytes > 40_000_000 && memoryBytes < 64 * MIB, `${memoryBytes}`);
    // What changes from moment to moment is less than a mebibyte.
    const theirs = /^([\d.]+)MiB \/ 128MiB$/.exec(memory);
    assert(Math.abs(Number(theirs?.[1]) * MIB - memoryBytes) < MIB, `${shown} ${memoryBytes}`);
    assert(memory_stats.usage > memoryBytes + 8 * MIB, `${memory_stats.usage} ${memoryBytes}`);
    assertEquals(pids, String(after.pids));
  },
});
