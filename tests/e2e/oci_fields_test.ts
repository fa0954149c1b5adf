/**
 * Fields of config.json: what a process sees of each. Rows run with ours and, where it knows the
 * field, with runc, from which their expectations come.
 */
import { assertMatch } from "@std/assert";
import type { Spec, SpecMount } from "../../src/runtime/spec_types.ts";
import { type OciBox, ociTest as test, type RuntimeName, RUNTIMES } from "../lib/oci_box.ts";

const OURS: readonly RuntimeName[] = ["diplodock"];

type Change = (spec: Spec, box: OciBox) => void;
/** A field, what is set, a shell's question, the answer; whether runc is asked too. */
type Row = [field: string, change: Change, script: string, want: RegExp, only?: "ours"];

const mounted = (mount: SpecMount): Change => (spec) => void spec.mounts!.push(mount);
const binding = (options: string[]): Change => (spec, box) => {
  spec.mounts!.push({ destination: "/m", type: "bind", source: `${box.top}/source`, options });
};

const ROWS: Row[] = [
  [
    "process.user",
    (s) => s.process!.user = { uid: 5, gid: 6, additionalGids: [7] },
    "id -u; id -g; id -G",
    /^5\n6\n6 7\n$/,
  ],
  [
    "process.user.umask",
    (s) => s.process!.user = { uid: 0, gid: 0, umask: 0o27 },
    "umask",
    /^0027\n$/,
  ],
  ["process.cwd", (s) => s.process!.cwd = "/not/there/yet", "pwd", /^\/not\/there\/yet\n$/],
  ["process.env", (s) => s.process!.env!.push("COLOR=red"), "echo $COLOR", /^red\n$/],
  [
    "process.rlimits",
    (s) => s.process!.rlimits = [{ type: "RLIMIT_NOFILE", soft: 77, hard: 88 }],
    "ulimit -n; ulimit -Hn",
    /^77\n88\n$/,
  ],
  [
    "process.noNewPrivileges",
    (s) => s.process!.noNewPrivileges = true,
    "grep NoNewPrivs /proc/self/status",
    /\t1\n$/,
  ],
  [
    "process.oomScoreAdj",
    (s) => s.process!.oomScoreAdj = 321,
    "cat /proc/self/oom_score_adj",
    /^321\n$/,
  ],
  [
    "process.scheduler",
    (s) => s.process!.scheduler = { policy: "SCHED_BATCH", nice: 7 },
    "grep -E '^(policy|prio)' /proc/self/sched",
    /^policy +: +3\nprio +: +127\n$/,
    "ours",
  ],
  [
    "process.ioPriority",
    (s) => s.process!.ioPriority = { class: "IOPRIO_CLASS_IDLE" },
    "ionice -p $$",
    /^idle/,
    "ours",
  ],
  [
    "linux.personality",
    (s) => s.linux!.personality = { domain: "LINUX32" },
    "uname -m",
    /^i686\n$|^armv/,
    "ours",
  ],
  ["hostname", (s) => s.hostname = "some-name", "hostname", /^some-name\n$/],
  [
    "domainname",
    (s) => s.domainname = "some.domain",
    "cat /proc/sys/kernel/domainname",
    /^some.domain\n$/,
    "ours",
  ],
  ["root.readonly", (s) => s.root!.readonly = true, "touch /x 2>&1", /Read-only file system/],
  [
    "linux.sysctl",
    (s) => s.linux!.sysctl = { "net.ipv4.ip_default_ttl": "33", "kernel.shmmni": "77" },
    "cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/kernel/shmmni",
    /^33\n77\n$/,
  ],
  [
    "linux.maskedPaths",
    (s) => s.linux!.maskedPaths = ["/file", "/etc", "/nope"],
    "wc -c < /file; ls /etc | wc -l",
    /^0\n0\n$/,
  ],
  [
    "linux.readonlyPaths",
    (s) => s.linux!.readonlyPaths = ["/etc", "/nope"],
    "touch /etc/x 2>&1",
    /Read-only file system/,
  ],
  [
    "linux.devices",
    (s) =>
      s.linux!.devices = [{
        type: "c",
        path: "/dev/deep/zero",
        major: 1,
        minor: 5,
        fileMode: 0o640,
        uid: 3,
        gid: 4,
      }, { type: "p", path: "/dev/fifo" }],
    "stat -c '%F %a %u %g %t %T' /dev/deep/zero; stat -c %F /dev/fifo; head -c 2 /dev/deep/zero | wc -c",
    /^character special file 640 3 4 1 5\nfifo\n(0|2)\n$/,
  ],
  [
    "linux.resources.devices",
    (s) => s.linux!.resources!.devices = [{ allow: false, access: "rwm" }],
    "mknod /dev/kmsg2 c 1 11 && cat < /dev/kmsg2; echo x > /dev/null && echo null works",
    /^null works\n$/,
  ],
  [
    "linux.resources.pids",
    (s) => s.linux!.resources!.pids = { limit: 55 },
    "cat /sys/fs/cgroup/pids/pids.max 2> /dev/null || cat /sys/fs/cgroup/pids.max",
    /^55\n$/,
  ],
  [
    "linux.resources.memory",
    (s) => s.linux!.resources!.memory = { limit: 33 << 20 },
    "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2> /dev/null || cat /sys/fs/cgroup/memory.max",
    /^34603008\n$/,
  ],
  [
    "linux.resources.cpu",
    (s) => s.linux!.resources!.cpu = { shares: 512, quota: 20000, period: 50000 },
    "cd /sys/fs/cgroup/cpu 2> /dev/null && cat cpu.shares cpu.cfs_quota_us cpu.cfs_period_us || cat /sys/fs/cgroup/cpu.max",
    /^(512\n20000\n50000|20000 50000)\n$/,
  ],
  [
    "linux.resources.cpu.cpus",
    (s) => s.linux!.resources!.cpu = { cpus: "0" },
    "grep Cpus_allowed_list /proc/self/status",
    /\t0\n$/,
  ],
  [
    "mounts tmpfs with size and mode",
    mounted({
      destination: "/t",
      type: "tmpfs",
      source: "tmpfs",
      options: ["size=64k", "mode=711", "nosuid"],
    }),
    "stat -c %a /t; grep ' /t ' /proc/mounts",
    /^711\ntmpfs \/t tmpfs rw,nosuid,relatime,size=64k,mode=711/,
  ],
  [
    "mounts tmpcopyup",
    mounted({ destination: "/bin", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] }),
    "readlink /bin/cat; grep -c ' /bin ' /proc/mounts; touch /bin/x && echo written; stat -c %a /bin",
    /^busybox\n1\nwritten\n755\n$/,
  ],
  [
    "mounts sync, dirsync, lazytime, acl, iversion",
    mounted({
      destination: "/t",
      type: "tmpfs",
      source: "tmpfs",
      options: ["sync", "dirsync", "acl", "mand"],
    }),
    "grep ' /t ' /proc/mounts",
    / \/t tmpfs rw/,
  ],
  [
    "mounts bind, ro",
    binding(["bind", "ro"]),
    "cat /m/file; touch /m/x 2>&1",
    /^source\n.*Read-only/,
  ],
  [
    "mounts rbind, rro",
    binding(["rbind", "rro"]),
    "touch /m/x 2>&1; touch /m/below/x 2>&1",
    /^.*Read-only.*\n.*Read-only.*\n$/,
  ],
  [
    "mounts rbind, rnosuid, rnoexec",
    binding(["rbind", "rnosuid", "rnoexec"]),
    "grep -c '/m.* rw,nosuid,noexec' /proc/mounts",
    /^2\n$/,
  ],
  [
    "mounts bind of a file",
    (s, b) =>
      void s.mounts!.push({
        destination: "/etc/one",
        type: "bind",
        source: `${b.top}/source/file`,
        options: ["bind"],
      }),
    "cat /etc/one",
    /^source\n$/,
  ],
  [
    "mounts attributes",
    mounted({
      destination: "/t",
      type: "tmpfs",
      source: "t",
      options: ["noexec", "nodev", "noatime", "nodiratime"],
    }),
    "grep ' /t ' /proc/mounts",
    /rw,nodev,noexec,noatime,nodiratime/,
  ],
  [
    "mounts nosymfollow",
    mounted({ destination: "/t", type: "tmpfs", source: "t", options: ["nosymfollow"] }),
    "grep ' /t ' /proc/mounts",
    /nosymfollow/,
  ],
  [
    "mounts remount",
    (s) => {
      s.mounts!.push({ destination: "/t", type: "tmpfs", source: "t" });
      s.mounts!.push({ destination: "/t", type: "tmpfs", source: "t", options: ["remount", "ro"] });
    },
    "touch /t/x 2>&1",
    /Read-only/,
    "ours",
  ],
  [
    "mounts with ids mapped",
    (s, b) =>
      void s.mounts!.push({
        destination: "/m",
        type: "bind",
        source: `${b.top}/source`,
        options: ["bind", "idmap"],
        uidMappings: [{ containerID: 0, hostID: 1000, size: 10 }],
        gidMappings: [{ containerID: 0, hostID: 2000, size: 10 }],
      }),
    "stat -c '%u %g' /m/file",
    /^1000 2000\n$/,
    "ours",
  ],
  [
    "linux.uidMappings",
    (s, b) => {
      Deno.chmodSync(b.rootfs, 0o755);
      s.linux!.namespaces!.push({ type: "user" });
      s.linux!.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }];
      s.linux!.gidMappings = [{ containerID: 0, hostID: 200000, size: 65536 }];
      s.process!.noNewPrivileges = false;
    },
    "cat /proc/self/uid_map /proc/self/gid_map; id -u",
    /^ +0 +100000 +65536\n +0 +200000 +65536\n0\n$/,
  ],
  [
    "linux.timeOffsets",
    (s) => {
      s.linux!.namespaces!.push({ type: "time" });
      s.linux!.timeOffsets = { boottime: { secs: 1_000_000 } };
    },
    "test $(cut -d. -f1 /proc/uptime) -gt 1000000 && echo later",
    /^later\n$/,
    "ours",
  ],
  [
    "linux.cgroupsPath",
    (s, b) => {
      s.linux!.cgroupsPath = `/diplodock-fields/${b.id()}`;
      s.linux!.namespaces = s.linux!.namespaces!.filter(({ type }) => type !== "cgroup");
    },
    "grep -c diplodock-fields /proc/self/cgroup",
    /^[1-9]/,
  ],
  [
    "linux.seccomp",
    (s) =>
      s.linux!.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 18 }],
      },
    "mkdir /x 2>&1; grep Seccomp: /proc/self/status",
    /Invalid cross-device link\nSeccomp:\t2\n$/,
  ],
  [
    "linux.seccomp without noNewPrivileges",
    (s) => {
      s.process!.noNewPrivileges = false;
      s.linux!.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
        syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" }],
      };
    },
    "mkdir /x 2>&1",
    /Operation not permitted/,
  ],
];

for (const [field, change, script, want, only] of ROWS) {
  test(field, async (box) => {
    const source = `${box.top}/source`;
    Deno.mkdirSync(`${source}/below`, { recursive: true });
    Deno.mkdirSync(`${box.rootfs}/etc`, { recursive: true });
    Deno.writeTextFileSync(`${source}/file`, "source\n");
    Deno.writeTextFileSync(`${box.rootfs}/etc/hostname`, "x\n");
    Deno.writeTextFileSync(`${box.rootfs}/file`, "x\n");
    // Root of a user namespace could not make them.
    for (const name of ["proc", "sys", "dev"]) Deno.mkdirSync(`${box.rootfs}/${name}`);
    await mountBelow(source, async () => {
      const { stdout, stderr } = await box.run(["sh", "-c", script], (spec) => change(spec, box));
      assertMatch(stdout, want, stderr);
    });
  }, only === "ours" ? OURS : RUNTIMES);
}

/** A second mount below the source of binds, for what is recursive. */
async function mountBelow(source: string, fn: () => Promise<void>): Promise<void> {
  const at = `${source}/below`;
  await new Deno.Command("mount", { args: ["-t", "tmpfs", "tmpfs", at] }).output();
  try {
    await fn();
  } finally {
    await new Deno.Command("umount", { args: ["-l", at] }).output();
  }
}
