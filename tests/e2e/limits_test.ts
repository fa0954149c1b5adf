/** Limits as the kernel enforces them on containers: on the cgroup version this machine has. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { removeCgroup } from "../../src/runtime/cgroup.ts";
import { directoryOf, openCgroup } from "../../src/runtime/cgroup_place.ts";
import { keyedNumber } from "../../src/runtime/cgroup_files.ts";
import { cgroupLayout } from "../../src/runtime/cgroup_layout.ts";
import { cgroupPids } from "../../src/runtime/cgroup_processes.ts";
import { whyNoCgroups } from "../lib/cgroup_box.ts";
import { cgroupsOf, Engine, waitFor } from "../lib/engine.ts";
import { withLoop } from "../lib/loop_device.ts";
import { skipUnless } from "../lib/skip.ts";

const why = whyNoCgroups();
const VERSION = cgroupLayout().version;
const MIB = 1 << 20;
const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(why === undefined, `cgroups: ${why}`), fn });
}

/** What a control file of container `id` says. */
function control(id: string, controller: string, file: string): string {
  const directory = directoryOf(openCgroup(`/diplodock/${id}`), controller);
  return Deno.readTextFileSync(`${directory}/${file}`).trim();
}

/** One limit in the files of the version that is here. */
type Expected = [controller: string, v1: [file: string, text: string], v2?: [string, string]];

function assertControls(id: string, expected: readonly Expected[]): void {
  for (const [controller, v1, v2] of expected) {
    const wanted = VERSION === 2 ? v2 : v1;
    if (wanted === undefined) continue;
    assertEquals(`${wanted[0]} ${control(id, controller, wanted[0])}`, wanted.join(" "));
  }
}

test("every limit of run is in the file that docs/cgroups.md names", async () => {
  const { code, stdout, stderr } = await engine.dd(
    ...["run", "-d", "--network", "none", "-m", "64m", "--memory-swap", "96m"],
    ...["--memory-reservation", "32m", "--memory-swappiness", "10", "--cpus", ".5", "-c", "512"],
    ...["--cpuset-cpus", "0", "--cpuset-mems", "0", "--pids-limit", "50", "host", "sleep", "600"],
  );
  assertEquals(code, 0, stderr);
  const id = stdout.trim();
  assertControls(id, [
    ["memory", ["memory.limit_in_bytes", `${64 * MIB}`], ["memory.max", `${64 * MIB}`]],
    ["memory", ["memory.memsw.limit_in_bytes", `${96 * MIB}`], ["memory.swap.max", `${32 * MIB}`]],
    ["memory", ["memory.soft_limit_in_bytes", `${32 * MIB}`], ["memory.low", `${32 * MIB}`]],
    ["memory", ["memory.swappiness", "10"]],
    ["cpu", ["cpu.cfs_quota_us", "50000"], ["cpu.max", "50000 100000"]],
    ["cpu", ["cpu.shares", "512"], ["cpu.weight", "20"]],
    ["cpuset", ["cpuset.cpus", "0"], ["cpuset.cpus", "0"]],
    ["cpuset", ["cpuset.mems", "0"], ["cpuset.mems", "0"]],
    ["pids", ["pids.max", "50"], ["pids.max", "50"]],
  ]);
  // v2 has no such knob: told, and the run goes on.
  assertEquals(stderr.includes("memory swappiness"), VERSION === 2, stderr);
  await engine.ok("rm", "-f", id);
  assertEquals(cgroupsOf(id), []);
});

test("update changes a running container, and what inspect shows", async () => {
  const id = await engine.background(
    ...["-m", "64m", "--memory-swap", "128m", "host", "sleep", "600"],
  );
  await engine.ok(
    ...["update", "-m", "96m", "--memory-swap", "96m", "--memory-reservation", "16m"],
    ...["--cpu-period", "50000", "--cpu-quota", "10000", "--pids-limit", "7", "-c", "256"],
    ...["--cpuset-cpus", "0", "--restart", "on-failure:2", id],
  );
  assertControls(id, [
    ["memory", ["memory.limit_in_bytes", `${96 * MIB}`], ["memory.max", `${96 * MIB}`]],
    ["memory", ["memory.memsw.limit_in_bytes", `${96 * MIB}`], ["memory.swap.max", "0"]],
    ["memory", ["memory.soft_limit_in_bytes", `${16 * MIB}`], ["memory.low", `${16 * MIB}`]],
    ["cpu", ["cpu.cfs_quota_us", "10000"], ["cpu.max", "10000 50000"]],
    ["cpu", ["cpu.cfs_period_us", "50000"]],
    ["cpu", ["cpu.shares", "256"], ["cpu.weight", "10"]],
    ["cpuset", ["cpuset.cpus", "0"], ["cpuset.cpus", "0"]],
    ["pids", ["pids.max", "7"], ["pids.max", "7"]],
  ]);
  const shown = await engine.inspect(
    id,
    "{{with .HostConfig}}{{.Memory}} {{.MemorySwap}} {{.MemoryReservation}} {{.CpuPeriod}} " +
      "{{.CpuQuota}} {{.PidsLimit}} {{.CpuShares}} {{.CpusetCpus}} {{.RestartPolicy.Name}} " +
      "{{.RestartPolicy.MaximumRetryCount}}{{end}}",
  );
  assertEquals(
    shown,
    `${96 * MIB} ${96 * MIB} ${16 * MIB} 50000 10000 7 256 0 on-failure 2`,
  );
  // The process waits for memory, and then not; v2 has no such switch: told, and nothing else.
  for (const wait of [true, false]) {
    const { code, stderr } = await engine.dd("update", `--oom-kill-disable=${wait}`, id);
    assertEquals([code, stderr.includes("OomKillDisable")], [0, VERSION === 2 && wait], stderr);
    if (VERSION === 2) continue;
    const text = control(id, "memory", "memory.oom_control");
    assertEquals(keyedNumber(text, "oom_kill_disable"), Number(wait));
  }
  const refused = await engine.dd("update", "--cpus", "1", id);
  assertEquals(refused.code, 1);
  assertStringIncludes(
    refused.stderr,
    "Nano CPUs cannot be updated as CPU Period has already been set",
  );
  await engine.ok("rm", "-f", id);
});

test("rates and weights of a disk are set, changed, and taken back", () =>
  withLoop(async ({ major, minor }, path) => {
    const disk = `${major}:${minor}`;
    const flags = (weight: number, rate: number) => [
      ...["--blkio-weight-device", `${path}:${weight}`, "--device-read-bps", `${path}:${rate}mb`],
      ...["--device-write-bps", `${path}:${rate}m`, "--device-read-iops", `${path}:${rate}`],
      ...["--device-write-iops", `${path}:${rate}`],
    ];
    /** With BFQ both versions have weights for each disk; v2 has all rates on one line. */
    const expected = (weight: string, rate: number): Expected[] => {
      const line = (value: number) => rate === 0 ? "" : `${disk} ${value}`;
      const v2 = `${disk} rbps=${rate * MIB} wbps=${rate * MIB} riops=${rate} wiops=${rate}`;
      const bytes = line(rate * MIB), operations = line(rate);
      return [
        ["blkio", ["blkio.bfq.weight", "300"], ["io.bfq.weight", `default 300${weight}`]],
        ["blkio", ["blkio.bfq.weight_device", `default 300${weight}`]],
        ["blkio", ["blkio.throttle.read_bps_device", bytes], ["io.max", rate === 0 ? "" : v2]],
        ["blkio", ["blkio.throttle.write_bps_device", bytes]],
        ["blkio", ["blkio.throttle.read_iops_device", operations]],
        ["blkio", ["blkio.throttle.write_iops_device", operations]],
      ];
    };
    const id = await engine.background(
      ...["--blkio-weight", "300", ...flags(500, 2), "host", "sleep", "600"],
    );
    assertControls(id, expected(`\n${disk} 500`, 2));
    await engine.ok("update", ...flags(200, 3), id);
    assertControls(id, expected(`\n${disk} 200`, 3));
    await engine.ok("update", ...flags(0, 0), id);
    assertControls(id, expected("", 0));
    const lists = "{{.BlkioWeightDevice}} {{.BlkioDeviceReadBps}} {{.BlkioDeviceWriteIOps}}";
    assertEquals(await engine.inspect(id, `{{with .HostConfig}}${lists}{{end}}`), "[] [] []");
    await engine.ok("rm", "-f", id);
  }, "bfq"));

test("a container above its memory is killed: 137, OOMKilled, an event", async () => {
  const flags = ["--network", "none", "-m", "24m", "--memory-swap", "24m", "--name", "hungry"];
  const { code } = await engine.dd("run", ...flags, "host", "tail", "/dev/zero");
  assertEquals(code, 137);
  assertEquals(
    await engine.inspect("hungry", "{{.State.OOMKilled}} {{.State.ExitCode}}"),
    "true 137",
  );
  const events = await engine.ok(
    ...["events", "--since", "10m", "--until", "0s", "-f", "container=hungry"],
    ...["--format", "{{.Action}}"],
  );
  assertEquals(events.split("\n"), ["create", "attach", "start", "oom", "die"]);
  await engine.ok("rm", "hungry");
});

test("--device gives what it says, and no more", async () => {
  const script = "(: < /dev/mine) || exit 1; (: > /dev/mine) && exit 2; exit 0";
  const flags = ["--cap-add", "SYSLOG", "--device", "/dev/kmsg:/dev/mine:r"];
  const { code, stderr } = await engine.host(...flags, "host", "sh", "-c", script);
  assertEquals(code, 0, stderr);
  assertStringIncludes(stderr, "not permitted");
  const none = await engine.host("host", "sh", "-c", "ls /dev/kmsg 2> /dev/null");
  assertEquals(none.stdout, "");
});

test("--device-cgroup-rule opens what was closed", async () => {
  const script = ["sh", "-c", "mknod /kmsg c 1 11 && : > /kmsg"];
  const closed = await engine.host("host", ...script);
  assertStringIncludes(closed.stderr, "not permitted");
  const open = await engine.host("--device-cgroup-rule", "c 1:11 w", "host", ...script);
  assertEquals(open.code, 0, open.stderr);
});

test("pause stops the container's CPU time, unpause lets it go on", async () => {
  const id = await engine.background("host", "sh", "-c", "while :; do :; done");
  const used = () =>
    VERSION === 2
      ? keyedNumber(control(id, "cpu", "cpu.stat"), "usage_usec")!
      : Number(control(id, "cpuacct", "cpuacct.usage"));
  await engine.ok("pause", id);
  const before = used();
  // Any command takes long enough for a loop to show.
  assertEquals(await engine.inspect(id, "{{.State.Status}}"), "paused");
  assertEquals(used(), before);
  await engine.ok("unpause", id);
  await waitFor(() => used() > before);
  await engine.ok("rm", "-f", id);
});

test("--cgroupns private shows the container its own root, host the machine's", async () => {
  const paths = async (mode: string) => {
    const { stdout } = await engine.host("--cgroupns", mode, "host", "cat", "/proc/self/cgroup");
    return stdout.trim().split("\n").map((line) => line.split(":").slice(2).join(":"));
  };
  assert((await paths("private")).every((path) => path === "/"));
  assert((await paths("host")).every((path) => path.startsWith("/diplodock/")));
});

for (
  const [parent, path] of [
    [`/diplodock-e2e-${Deno.pid}/deep`, `/diplodock-e2e-${Deno.pid}/deep/`],
    [
      `diplodock_e2e${Deno.pid}-x.slice`,
      `/diplodock_e2e${Deno.pid}.slice/diplodock_e2e${Deno.pid}-x.slice/`,
    ],
  ]
) {
  test(`--cgroup-parent ${parent.replaceAll(String(Deno.pid), "…")} is where the cgroup is`, async () => {
    try {
      const flags = ["--cgroup-parent", parent, "--cgroupns", "host", "-m", "64m"];
      const { code, stdout, stderr } = await engine.host(
        ...flags,
        "host",
        "cat",
        "/proc/self/cgroup",
      );
      assertEquals([code, stderr], [0, ""]);
      for (const line of stdout.trim().split("\n")) assertStringIncludes(line, `:${path}`);
    } finally {
      await removeCgroup(openCgroup(`/${path.split("/")[1]}`));
    }
  });
}

test("a process that lingers ends with the container, and its cgroup with it", async () => {
  // In the machine's PID namespace nothing but the cgroup ties it to the container.
  const id = await engine.background(
    ...["--pid", "host", "host", "sh", "-c"],
    "setsid sh -c 'trap \"\" TERM HUP; exec sleep 600' & exec sleep 600",
  );
  const cgroup = openCgroup(`/diplodock/${id}`);
  await waitFor(() => cgroupPids(cgroup).length === 2);
  const lingering = cgroupPids(cgroup);
  await engine.ok("kill", id);
  await waitFor(() => cgroupsOf(id).length === 0);
  for (const pid of lingering) {
    const text = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "gone) Z");
    assert(/\) [ZX]/.test(text), `still there: ${text}`);
  }
  await engine.ok("rm", id);
});

test("info names the version and the controllers", async () => {
  const info = JSON.parse(await engine.ok("info", "-f", "{{json .}}"));
  assertEquals([info.CgroupVersion, info.CgroupDriver], [String(VERSION), "cgroupfs"]);
  for (const name of ["cpu", "memory", "pids"]) assert(info.CgroupControllers.includes(name), name);
  assertEquals(info.MemoryLimit, true);
  const { code, stdout, stderr } = await engine.dd("info");
  assertEquals([code, stderr.trimEnd()], [0, (info.Warnings ?? []).join("\n")]);
  assertStringIncludes(stdout, ` Cgroup Version: ${VERSION}\n  Controllers: `);
});
