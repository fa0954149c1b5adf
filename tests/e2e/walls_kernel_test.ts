/** What a container could do to the kernel, the host and its neighbours: attempts that must fail. */
import { assert, assertEquals } from "@std/assert";
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { sys } from "../../ffi/libc.ts";
import { type Program, slot, type Step, stringArray } from "../../ffi/program.ts";
import { Engine, waitFor } from "../lib/engine.ts";
import { tryCall, VARIANTS, writeProgram } from "../lib/hostile.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const secret = engine.file("secret", "the host's secret\n");
const EACCES_OR_EPERM = [1, 13];
const ENOKEY = 126, KEYCTL_SEARCH = 10, KEYCTL_JOIN = 1, SESSION = -3;

const rootfs = engine.rootfs("kernel", (directory) => {
  writeProgram(`${directory}/chroot-out`, chrootOut());
  writeProgram(
    `${directory}/find-key`,
    tryCall("keyctl", [KEYCTL_SEARCH, SESSION, "user", "walls", 0]),
  );
  writeProgram(`${directory}/kill-host`, tryCall("kill", [Deno.pid, 0]));
  const PTRACE_SEIZE = 0x4206;
  writeProgram(`${directory}/trace-host`, tryCall("ptrace", [PTRACE_SEIZE, Deno.pid, 0, 0]));
  Deno.mkdirSync(`${directory}/t`);
});

/** The way out of a chroot: a root below the working directory, then "..", then a root again. */
function chrootOut(): Program {
  const top = slot("top");
  const argv = stringArray("argv", ["cat", secret]);
  const call = (name: Step["call"], ...args: Step["args"]): Step => ({
    call: name,
    args,
    goal: name,
  });
  return {
    steps: [
      { ...call("openat", AT_FDCWD, "/", O_RDONLY | O_DIRECTORY, 0), result: top },
      call("chroot", "t"),
      call("fchdir", top),
      ...Array.from({ length: 20 }, () => call("chdir", "..")),
      call("chroot", "."),
      call("execve", "/bin/cat", argv, stringArray("envp", [])),
      call("exit_group", 1),
    ],
  };
}

function test(
  name: string,
  fn: (flags: readonly string[]) => Promise<void>,
  variants = VARIANTS,
): void {
  for (const [variant, flags] of variants) {
    Deno.test({
      name: `${name}${variant}`,
      ...skipUnless(isRoot(), "needs root"),
      fn: () => fn(flags),
    });
  }
}

/** The numbers of a disk of this machine, "8 0"; undefined when it has none. */
function disk(): string | undefined {
  for (const { name } of Deno.readDirSync("/sys/block")) {
    const numbers = Deno.readTextFileSync(`/sys/block/${name}/dev`).trim();
    if (!/^(7|1|25[0-3]):/.test(numbers)) return numbers.replace(":", " ");
  }
}

const block = disk();

/** Each line that succeeds is a hole; lines are run with errors hidden. */
const ATTEMPTS: [name: string, lines: string[]][] = [
  ["change the kernel's settings", [
    "echo x > /proc/sys/kernel/core_pattern",
    "echo /x > /proc/sys/kernel/modprobe",
    "echo 1 > /proc/sys/vm/overcommit_memory",
    "echo x > /proc/sys/kernel/hostname",
    "echo :x:M::x::/x: > /proc/sys/fs/binfmt_misc/register",
    "echo h > /proc/sysrq-trigger",
    "echo 1 > /proc/irq/default_smp_affinity",
    "echo x > /sys/kernel/uevent_helper",
    "echo 1 > /sys/kernel/profiling",
    "echo mem > /sys/power/state",
  ]],
  ["see what is hidden", [
    "test -s /proc/keys",
    "test -s /proc/timer_list",
    "test -s /proc/interrupts",
    "test -s /proc/sched_debug",
    "head -c 1 /proc/kcore | grep -q .",
    "ls /sys/firmware | grep .",
    "ls /proc/acpi | grep .",
    "ls /proc/scsi | grep .",
    "ls /sys/devices/virtual/powercap | grep .",
  ]],
  ["mount over or away from what is hidden", [
    "umount /proc/kcore",
    "umount -l /proc/sys",
    "umount /proc",
    "mount -t proc proc /t",
    "mount -t sysfs sysfs /t",
    "mount -t tmpfs tmpfs /proc",
    "mount -o bind /t /proc/sys",
    "mount -o bind /proc/self /t",
    "mount -o remount,rw /proc/sys",
    "mount -o remount,bind,rw /sys",
    "unshare -m true",
    "unshare -U true",
  ]],
  ["use devices of the host", [
    ...(block === undefined ? [] : [`mknod /disk b ${block} && head -c 1 /disk | grep -q .`]),
    "mknod /mem c 1 1 && head -c 1 /mem",
    "mknod /kmsg c 1 11 && head -c 1 /kmsg",
    "mknod /port c 1 4 && head -c 1 /port",
    "mknod /vt c 4 1 && echo x > /vt",
    "test -e /dev/mem",
    "test -e /dev/kmsg",
    "test -e /dev/kvm",
  ]],
  ["change its own limits", [
    "mount -t cgroup -o memory cgroup /t",
    "mount -t cgroup2 cgroup2 /t",
    "find /sys/fs/cgroup/ -name release_agent | grep .",
    "for f in $(find /sys/fs/cgroup/ -type f); do echo 1 > $f && echo $f && exit 0; done; exit 1",
    "for d in $(find /sys/fs/cgroup/ -type d); do mkdir $d/x && echo $d && exit 0; done; exit 1",
    "mount -o remount,rw /sys/fs/cgroup",
    "mount -o remount,bind,rw /sys/fs/cgroup/memory",
    "echo -17 > /proc/self/oom_score_adj",
  ]],
];

for (const [name, lines] of ATTEMPTS) {
  test(`a container cannot ${name}`, async (flags) => {
    const script = lines.map((line, i) => `if (${line}) >/dev/null 2>&1; then echo hole ${i}; fi`);
    const { stdout } = await engine.host(
      ...[...flags, "--rootfs", rootfs, "sh", "-c", [...script, "echo tried"].join("\n")],
    );
    const holes = [...stdout.matchAll(/^hole (\d+)$/gm)].map(([, i]) => lines[Number(i)]);
    assertEquals(holes, []);
    assert(stdout.endsWith("tried\n"), stdout);
  });
}

test("a container cannot leave its root by chroot", async (flags) => {
  const { stdout } = await engine.host(...flags, "--rootfs", rootfs, "/chroot-out");
  assertEquals(stdout, "");
});

test("a container does not have the keys of who started it", async (flags) => {
  sys("keyctl", KEYCTL_JOIN, null, 0, 0, 0);
  const key = sys("add_key", "user", "walls", new Uint8Array([115]), 1, SESSION);
  assert(key > 0, `add_key: ${key}`);
  const open = ["--security-opt", "seccomp=unconfined"];
  const { code } = await engine.host(...flags, ...open, "--rootfs", rootfs, "/find-key");
  assertEquals(code, ENOKEY);
  const confined = await engine.host(...flags, "--rootfs", rootfs, "/find-key");
  assert(EACCES_OR_EPERM.includes(confined.code), `${confined.code}`);
});

test("a container cannot reach processes of the host", async (flags) => {
  const powers = ["--cap-add", "SYS_PTRACE", "--cap-add", "KILL"];
  const ESRCH = 3;
  for (const program of ["/kill-host", "/trace-host"]) {
    const { code } = await engine.host(...flags, ...powers, "--rootfs", rootfs, program);
    assertEquals(code, ESRCH, program);
  }
});

test("a container that sees the host's processes cannot look into them", async (flags) => {
  const script = `for f in environ mem maps exe cwd root fd/0; do
    if (cat /proc/${Deno.pid}/$f || ls /proc/${Deno.pid}/$f/) >/dev/null 2>&1; then echo $f; fi; done`;
  const { stdout } = await engine.host(
    ...[...flags, "--pid", "host", "--rootfs", rootfs, "sh", "-c", script],
  );
  assertEquals(stdout, "");
  const { code } = await engine.host(...flags, "--pid", "host", "--rootfs", rootfs, "/trace-host");
  assert(EACCES_OR_EPERM.includes(code), `${code}`);
});

test("root of one user namespace cannot look into another one's processes", async (flags) => {
  const id = await engine.background(...flags, "--rootfs", rootfs, "sleep", "1000");
  try {
    const script =
      "readlink /proc/1/exe; readlink /proc/1/root; cat /proc/1/environ; kill -9 1; true";
    const { stdout } = await engine.host(
      ...[...flags, "--cap-add", "SYS_PTRACE", "--pid", `container:${id}`],
      ...["--rootfs", rootfs, "sh", "-c", script],
    );
    assertEquals(stdout, "");
    assertEquals(await engine.inspect(id, "{{.State.Running}}"), "true");
  } finally {
    await engine.ok("rm", "-f", id);
  }
}, VARIANTS.slice(1)); // without user namespaces, shared pids are shared rights

test("exec does not believe a /proc that the container made", async (flags) => {
  const fake = [
    "mount -t tmpfs tmpfs /proc && mkdir /proc/self /proc/self/attr /proc/self/attr/apparmor",
    "for f in oom_score_adj attr/exec attr/apparmor/exec setgroups; do mkfifo /proc/self/$f; done",
    "ln -s self /proc/thread-self; mkdir /proc/1; echo ready; exec sleep 1000",
  ].join("\n");
  const id = await engine.background(
    ...[...flags, "--cap-add", "SYS_ADMIN", "--oom-score-adj", "321", "--rootfs", rootfs],
    ...["sh", "-c", fake],
  );
  try {
    await waitFor(async () => await engine.ok("logs", id) === "ready");
    const args = ["exec", id, "sh", "-c", "echo in; exec sleep 1000"];
    const child = engine.spawn(args, { stdout: "piped" });
    const reader = child.stdout.getReader();
    const limit = setTimeout(() => child.kill("SIGKILL"), 120_000);
    const first = await reader.read();
    clearTimeout(limit);
    assertEquals(new TextDecoder().decode(first.value), "in\n");
    const pids = (await engine.ok("top", id, "-eo", "pid,args")).split("\n");
    const pid = pids.filter((line) => line.endsWith("sleep 1000")).at(-1)!.trim().split(" ")[0];
    assertEquals(Deno.readTextFileSync(`/proc/${pid}/oom_score_adj`), "321\n");
    child.kill("SIGKILL");
    await reader.cancel();
    await child.stderr.cancel();
    await child.status;
  } finally {
    await engine.ok("rm", "-f", id);
  }
});
