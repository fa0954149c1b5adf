/** Scripts of `explain`, where they depend on others or on the cgroup version of this machine. */
import { removeCgroup } from "../../src/runtime/cgroup.ts";
import { cgroupLayout } from "../../src/runtime/cgroup_layout.ts";
import { openCgroup } from "../../src/runtime/cgroup_place.ts";
import { bothWays } from "../lib/by_hand.ts";
import { whyNoCgroups } from "../lib/cgroup_box.ts";
import { Engine } from "../lib/engine.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
const box = engine.rootfs("box");
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const can = isRoot() && ["nsenter", "unshare", "setpriv", "mount"].every(hasProgram);

function test(name: string, fn: () => Promise<void>): void {
  const reason = "needs root, cgroups, nsenter, unshare, setpriv, mount";
  const works = can && whyNoCgroups() === undefined;
  Deno.test({ name: `explain: ${name}`, ...skipUnless(works, reason), fn });
}

// First: nothing has switched controllers on for it yet.
test(
  "a script sets the limits that run sets",
  () => {
    // What the container sees of its own cgroup.
    const files = cgroupLayout().version === 2
      ? ["memory.max", "pids.max", "cpu.max"]
      : ["memory/memory.limit_in_bytes", "pids/pids.max", "cpu/cpu.cfs_quota_us"];
    return bothWays(engine, [
      ...["run", "--rm", "--network", "none", "-m", "64m", "--pids-limit", "77", "--cpus", ".5"],
      ...["--cgroupns", "private", "--rootfs", `${box}:O`],
      ...["/bin/cat", "/proc/self/cgroup", ...files.map((file) => `/sys/fs/cgroup/${file}`)],
    ]);
  },
);

test(
  "a script's cgroup may be the first below another that is new",
  async () => {
    const top = `/diplodock-by-hand-${Deno.pid}`;
    try {
      await bothWays(engine, [
        ...["run", "--rm", "--network", "none", "--cgroup-parent", `${top}/deep`],
        ...["--cpuset-cpus", "0", "--cgroupns", "host", "--rootfs", `${box}:O`],
        ...["/bin/busybox", "sed", "s,[^/]*$,,", "/proc/self/cgroup"],
      ]);
    } finally {
      await removeCgroup(openCgroup(top));
    }
  },
);

test(
  "a script joins the namespaces that run joins",
  async () => {
    await engine.background(
      ...["--name", "shared", "--ipc", "shareable", "--rootfs", `${box}:O`],
      ...["/bin/sleep", "1000"],
    );
    const flags = ["--network", "--ipc", "--pid"].flatMap((flag) => [flag, "container:shared"]);
    const script = "for name in net ipc pid; do readlink /proc/self/ns/$name; done";
    const command = ["/bin/sh", "-c", script];
    await bothWays(engine, ["run", "--rm", ...flags, "--rootfs", `${box}:O`, ...command]);
    await engine.ok("rm", "-f", "shared");
  },
);
