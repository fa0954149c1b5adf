/** Engines that people already have, with our runtime in runc's place. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { waitFor } from "../lib/engine.ts";
import { type Peer, startContainerd, startDocker, startPodman } from "../lib/peer_engines.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";

enterTestNetwork();

const PROGRAMS = {
  podman: ["podman", "conmon"],
  docker: ["docker", "dockerd", "containerd", "iptables"],
  containerd: ["containerd", "ctr", "containerd-shim-runc-v2"],
};
const STARTS = { podman: startPodman, docker: () => startDocker(), containerd: startContainerd };

/** One engine for all steps: starting it costs the most. */
function suite(
  name: keyof typeof PROGRAMS,
  body: (peer: Peer, t: Deno.TestContext) => Promise<void>,
) {
  const missing = PROGRAMS[name].filter((program) => !hasProgram(program));
  const reason = missing.length > 0
    ? `needs ${missing.join(", ")}`
    : !hasProgram("busybox")
    ? "needs busybox"
    : "needs root";
  const can = missing.length === 0 && hasProgram("busybox") && isRoot();
  Deno.test({
    name: `${name} runs its containers with our runtime`,
    ...skipUnless(can, `${name}: ${reason}`),
    fn: async (t) => {
      await using peer = await STARTS[name]();
      await body(peer, t);
    },
  });
}

/** What podman and docker share: `flags` go behind `run`. */
async function commonSteps(peer: Peer, t: Deno.TestContext, flags: readonly string[]) {
  const run = (...args: string[]) => peer.run("run", ...flags, "--network", "none", ...args);
  await t.step("run passes output and exit code on", async () => {
    const { code, stdout } = await run("--rm", "small", "sh", "-c", "echo hello; exit 7");
    assertEquals([code, stdout], [7, "hello\n"]);
  });
  await t.step(
    "run tells a command that is not there from one that cannot be executed",
    async () => {
      assertEquals((await run("--rm", "small", "nope")).code, 127);
      assertEquals((await run("--rm", "small", "/bin")).code, 126);
    },
  );
  await t.step("run of a file without a format ends with the reason", async () => {
    const bad = peer.place.file("bad", "xyz");
    Deno.chmodSync(bad, 0o755);
    const { code, stderr } = await run("--rm", "-v", `${bad}:/bad`, "small", "/bad");
    assertStringIncludes(stderr, "exec /bad: exec format error");
    assertEquals(code, 1);
  });
  await t.step("run applies user, mounts, limits and capabilities", async () => {
    const more = ["-u", "5:6", "--read-only", "--tmpfs", "/tt", "--cap-drop", "all"];
    const limits = [
      "--memory",
      "50m",
      "--pids-limit",
      "20",
      "-v",
      `${peer.place.top}/rootfs:/v:ro`,
    ];
    const script = "id -u; id -g; ls /v; touch /v/x || touch /x || touch /tt/x && echo written; " +
      "grep CapEff /proc/self/status; cat /sys/fs/cgroup/memory/memory.limit_in_bytes " +
      "/sys/fs/cgroup/memory.max 2> /dev/null";
    const { stdout } = await run("--rm", ...more, ...limits, "small", "sh", "-c", script);
    assertEquals(
      stdout.split("\n").slice(0, 5),
      ["5", "6", "bin", "written", "CapEff:\t0000000000000000"],
    );
    assertStringIncludes(stdout, "52428800");
  });
}

/** The same for what stays, and for terminals and the bridge. */
async function longerSteps(peer: Peer, t: Deno.TestContext, flags: readonly string[]) {
  const run = (...args: string[]) => peer.run("run", ...flags, "--network", "none", ...args);
  await t.step("a container in the background: exec, logs, pause, update, stop, rm", async () => {
    const script = "trap 'echo bye; exit 3' TERM; echo started; while :; do sleep 1; done";
    const start = ["-d", "--name", "back", "small", "sh", "-c", script];
    assertEquals((await run(...start)).code, 0);
    await waitFor(async () => (await peer.ok("logs", "back")).includes("started"));
    assertEquals(await peer.ok("exec", "back", "echo", "inside"), "inside");
    assertEquals((await peer.run("exec", "back", "sh", "-c", "exit 9")).code, 9);
    assert([126, 127].includes((await peer.run("exec", "back", "nope")).code));
    assertStringIncludes(await peer.ok("top", "back"), "sleep");
    await peer.ok("pause", "back");
    assertEquals(await peer.ok("inspect", "-f", "{{.State.Status}}", "back"), "paused");
    await peer.ok("unpause", "back");
    await peer.ok("stop", "back");
    assertEquals(await peer.ok("inspect", "-f", "{{.State.ExitCode}}", "back"), "3");
    assertStringIncludes(await peer.ok("logs", "back"), "bye");
    await peer.ok("start", "back");
    await peer.ok("rm", "-f", "back");
  });
  await t.step("run -it has a terminal", async () => {
    if (!hasProgram("script")) return;
    const tty = ["run", ...flags, "--rm", "-it", "--network", "none", "small"];
    // podman loses what is said by who ends at once: one in ten, with runc just as with us.
    const show = () => peer.shown(...tty, "sh", "-c", "test -t 0 && echo tty");
    await waitFor(async () => /tty/.test(await show()), 60_000);
  });
  await t.step("run on the bridge has an interface", async () => {
    const { stdout, stderr } = await peer.run(
      "run",
      ...flags,
      "--rm",
      "small",
      "ls",
      "/sys/class/net",
    );
    assertEquals(stdout, "eth0\nlo\n", stderr);
  });
}

suite("podman", async (peer, t) => {
  const flags = ["--cgroup-parent", peer.place.cgroup];
  await commonSteps(peer, t, flags);
  await longerSteps(peer, t, flags);
  await t.step("containers of a pod see each other's processes and network", async () => {
    if (!hasProgram("catatonit")) return;
    const own = ["--cgroup-parent", peer.place.cgroup];
    await peer.ok("pod", "create", "--share", "net,ipc,uts,pid", "--name", "pod");
    await peer.ok("run", "-d", ...own, "--pod", "pod", "--name", "one", "small", "sleep", "1000");
    const words = ["--rm", ...own, "--pod", "pod", "small", "sh", "-c", "ps; ls /sys/class/net"];
    const seen = await peer.ok("run", ...words);
    assertMatch(seen, /sleep 1000/);
    assertMatch(seen, /eth0/);
    await peer.ok("pod", "rm", "-f", "-t", "0", "pod");
  });
  await t.step("nothing is left in the runtime's state", async () => {
    assertEquals(await peer.ok("ps", "-aq"), "");
  });
});

suite("docker", async (peer, t) => {
  assertStringIncludes(await peer.ok("info", "-f", "{{.DefaultRuntime}}"), "diplodock");
  await commonSteps(peer, t, ["--runtime", "diplodock"]);
  await longerSteps(peer, t, ["--runtime", "diplodock"]);
  await t.step("update changes the limit of a container that runs", async () => {
    await peer.ok("run", "-d", "--name", "small", "--network", "none", "small", "sleep", "1000");
    await peer.ok("update", "--memory", "64m", "--memory-swap", "64m", "small");
    const files = "/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max";
    const text = await peer.run("exec", "small", "sh", "-c", `cat ${files} 2> /dev/null`);
    assertEquals(text.stdout, "67108864\n");
    await peer.ok("rm", "-f", "small");
  });
  await t.step("a container that needs too much memory is killed and said so", async () => {
    const script = "x=a; while :; do x=$x$x; done";
    // The container goes on: docker may hear of the end of one before it hears why.
    const shell = ["sh", "-c", 'sh -c "$0"; echo $?; exec sleep 1000', script];
    const limits = ["--memory", "20m", "--memory-swap", "20m", "--network", "none"];
    await peer.ok("run", "-d", "--name", "oom", ...limits, "small", ...shell);
    await waitFor(async () => await peer.ok("logs", "oom") === "137");
    const events = ["events", "--since", "1h", "--until", "0s", "--filter", "event=oom"];
    await waitFor(async () => await peer.ok(...events) !== "");
    await peer.ok("kill", "oom");
    await peer.ok("wait", "oom");
    assertEquals(await peer.ok("inspect", "-f", "{{.State.OOMKilled}}", "oom"), "true");
    await peer.ok("rm", "oom");
  });
});

suite("containerd", async (peer, t) => {
  const { runtime, rootfs, top, cgroup } = peer.place;
  const run = (...args: string[]) => {
    const binary = ["--runc-binary", runtime, "--runc-root", `${top}/oci`];
    return peer.run("run", ...binary, "--cgroup", `${cgroup}/${args.length}`, ...args);
  };
  await t.step("ctr run passes output and exit code on", async () => {
    const { code, stdout } = await run(
      "--rm",
      "--rootfs",
      rootfs,
      "one",
      "sh",
      "-c",
      "echo hi; exit 7",
    );
    assertEquals([code, stdout], [7, "hi\n"]);
  });
  await t.step("ctr run tells that a command is not there", async () => {
    const { code, stderr } = await run("--rm", "--rootfs", rootfs, "two", "nope");
    assertStringIncludes(stderr, "executable file not found in $PATH");
    assertEquals(code, 1);
  });
  await t.step("a task: exec, pause, resume, metrics, kill, rm", async () => {
    assertEquals((await run("-d", "--rootfs", rootfs, "task", "sleep", "1000")).code, 0);
    assertEquals(await peer.ok("task", "exec", "--exec-id", "e1", "task", "echo", "in"), "in");
    await peer.ok("task", "pause", "task");
    assertMatch(await peer.ok("task", "ls"), /task +\d+ +PAUSED/);
    await peer.ok("task", "resume", "task");
    assertStringIncludes(await peer.ok("task", "metrics", "task"), "memory.usage");
    assertMatch(await peer.ok("task", "ps", "task"), /\d/);
    await peer.ok("task", "kill", "-s", "SIGKILL", "task");
    await waitFor(async () => /STOPPED/.test(await peer.ok("task", "ls")));
    await peer.run("task", "rm", "task");
    await peer.ok("containers", "rm", "task");
  });
  await t.step("the runtime's state is empty when all tasks are gone", () => {
    assertEquals([...Deno.readDirSync(`${top}/oci/default`)].map(({ name }) => name), []);
    return Promise.resolve();
  });
});
