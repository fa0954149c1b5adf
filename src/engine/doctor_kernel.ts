/** Trials of processes: namespaces, identity, filters. */
import {
  AT_FDCWD,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUTS,
  O_CLOEXEC,
  O_WRONLY,
  WALL,
} from "../../ffi/constants.ts";
import { executable } from "../../ffi/elf.ts";
import { check, sys } from "../../ffi/libc.ts";
import { addressIn, block, slot, type Step } from "../../ffi/program.ts";
import { reap, spawn } from "../../ffi/spawn.ts";
import { ownUserNamespace } from "../base/own_namespace.ts";
import { readIfThere } from "../base/files.ts";
import { isRootless } from "../base/places.ts";
import { ALL_CAPABILITIES, capabilitiesOf, capabilityNames } from "../runtime/capabilities.ts";
import { execute } from "../runtime/execute.ts";
import { noNewPrivilegesSteps, seccompSteps } from "../runtime/identity.ts";
import { defaultSeccomp } from "../runtime/seccomp.ts";
import { compileSeccomp } from "../runtime/seccomp_compile.ts";
import { createUserNamespace } from "../runtime/userns_trees.ts";
import { Lacking, type Trial } from "./doctor.ts";

/** A child that makes these calls and ends. Throws SyscallError of the first that fails. */
export function inChild(steps: readonly Step[], flags = 0): undefined {
  reap(spawn(steps, { flags }));
}

const kernel = (option: string) => `use a kernel with ${option}`;
const allow = "allow it: this process may itself run in a container, or under a filter";

function namespace(name: string, flag: number, option: string, flags: string): Trial {
  return {
    feature: `${name} namespace`,
    flags,
    essential: flag === CLONE_NEWNS || flag === CLONE_NEWPID,
    remedy: `${kernel(option)}, and ${allow}`,
    run: () => inChild([], flag),
  };
}

function madeInside(name: string, flag: number, option: string, flags: string): Trial {
  return {
    feature: `${name} namespace`,
    flags,
    remedy: `${kernel(option)}, and ${allow}`,
    run: () => inChild([{ call: "unshare", args: [flag], goal: `make a ${name} namespace` }]),
  };
}

/** The right to write what a container without CAP_SYS_RESOURCE may not. */
function lowerOomScore(): undefined {
  const file = slot("oom_score_adj");
  const goal = "lower oom_score_adj";
  const path = "/proc/self/oom_score_adj";
  return inChild([
    { call: "openat", args: [AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0], goal, result: file },
    { call: "write", args: [file, "-999", 4], goal },
  ]);
}

function raiseLimit(): undefined {
  const RLIMIT_NOFILE = 7;
  const old = new Uint8Array(16);
  check("read a limit", "prlimit64", 0, RLIMIT_NOFILE, null, old);
  const [, hard] = new BigUint64Array(old.buffer);
  const more = new Uint8Array(new BigUint64Array([hard + 1n, hard + 1n]).buffer);
  return inChild([{
    call: "prlimit64",
    args: [0, RLIMIT_NOFILE, addressIn(block("limit", more)), 0],
    goal: `raise the limit of open files above ${hard}`,
  }]);
}

function filter(): undefined {
  const arch = Deno.build.arch;
  const target = { caps: [], arch, kernelRelease: Deno.osRelease() };
  return inChild([
    ...noNewPrivilegesSteps(),
    ...seccompSteps(compileSeccomp(defaultSeccomp(target), arch)),
  ]);
}

/** Which actions of a profile the kernel knows. seccomp(2), SECCOMP_GET_ACTION_AVAIL. */
function actions(): string | undefined {
  const GET_ACTION_AVAIL = 2;
  const all = { log: 0x7ffc0000, notify: 0x7fc00000, trace: 0x7ff00000, kill: 0x80000000 };
  const missing = Object.entries(all).filter(([, action]) => {
    const word = new Uint8Array(new Uint32Array([action]).buffer);
    return sys("seccomp", GET_ACTION_AVAIL, 0, word) !== 0;
  }).map(([name]) => name);
  return missing.length === 0 ? undefined : `the kernel does not know ${missing.join(", ")}`;
}

function fromMemory(): undefined {
  const { bytes } = executable({ steps: [{ call: "exit_group", args: [0], goal: "end" }] });
  const pid = execute(bytes, [], ["diplodock-doctor"]);
  const status = new Uint8Array(8);
  check("wait for the program", "wait4", pid, status, WALL, 0);
  if (new DataView(status.buffer).getInt32(0, true) !== 0) {
    throw new Lacking("the program did not end by itself");
  }
}

function capabilities(): string | undefined {
  const have = capabilitiesOf(Deno.readTextFileSync("/proc/self/status"));
  const names = capabilityNames(have);
  const missing = ALL_CAPABILITIES.filter((name) => !names.includes(name));
  return missing.length === 0 ? undefined : `this host does not have ${missing.join(", ")} to give`;
}

function userNamespace(): undefined {
  const map = [{ containerID: 0, hostID: 2 ** 31, size: 65536 }];
  createUserNamespace(map, map)[Symbol.dispose]();
}

/** Inside the one that all containers of an ordinary user share. */
function nestedUserNamespace(): string {
  const { uids, gids } = ownUserNamespace()!;
  const [users, groups] = [uids, gids].map((ranges) =>
    ranges.reduce((sum, { count }) => sum + count, 0)
  );
  if (users < 2 || groups < 2) {
    return "containers have one user id only, which is you; files of other owners become yours";
  }
  const map = (size: number) => [{ containerID: 0, hostID: 1, size: size - 1 }];
  createUserNamespace(map(users), map(groups))[Symbol.dispose]();
  return "keep-id, nomap and maps of your own ids work; auto is for root";
}

function userNamespaces(): Trial {
  const common = { feature: "user namespace", flags: "--userns, --uidmap, --gidmap" };
  const sysctl = "raise /proc/sys/user/max_user_namespaces; " + kernel("CONFIG_USER_NS");
  if (!isRootless()) return { ...common, remedy: sysctl, run: userNamespace };
  const remedy = "for more than one id: install newuidmap and newgidmap (uidmap, shadow-utils), " +
    "and usermod --add-subuids 100000-165535 --add-subgids 100000-165535 YOU";
  return { ...common, remedy, run: nestedUserNamespace };
}

function securityModule(file: string, enabled: RegExp, name: string): undefined {
  if (!enabled.test(readIfThere(file) ?? "")) throw new Lacking(`${name} is not active here`);
}

/** In the order of a start. */
export const KERNEL_TRIALS: readonly Trial[] = [
  {
    feature: "programs from memory",
    flags: "all of run, exec",
    essential: true,
    remedy: "set the sysctl vm.memfd_noexec to 0 or 1",
    run: fromMemory,
  },
  namespace("mount", CLONE_NEWNS, "CONFIG_NAMESPACES", "all of run"),
  namespace("pid", CLONE_NEWPID, "CONFIG_PID_NS", "all of run, --pid"),
  namespace("uts", CLONE_NEWUTS, "CONFIG_UTS_NS", "--hostname, --uts"),
  namespace("ipc", CLONE_NEWIPC, "CONFIG_IPC_NS", "--ipc"),
  madeInside("cgroup", CLONE_NEWCGROUP, "CONFIG_CGROUPS", "--cgroupns"),
  madeInside("time", CLONE_NEWTIME, "CONFIG_TIME_NS", "time offsets of OCI bundles"),
  userNamespaces(),
  {
    feature: "all capabilities",
    flags: "--privileged, --cap-add",
    remedy: "start from a shell whose bounding set has them, else they are narrowed with a warning",
    run: capabilities,
  },
  {
    feature: "seccomp filter",
    flags: "--security-opt seccomp",
    remedy: kernel("CONFIG_SECCOMP_FILTER") + "; without it: --security-opt seccomp=unconfined",
    run: filter,
  },
  {
    feature: "seccomp actions",
    flags: "--security-opt seccomp=FILE",
    remedy: "use a kernel from 5.0 on",
    run: actions,
  },
  {
    feature: "session keyring",
    flags: "all of run",
    remedy: kernel("CONFIG_KEYS") + "; without it the container keeps no keyring of its own",
    run: () =>
      inChild([{ call: "keyctl", args: [1, null, 0, 0, 0], goal: "make a session keyring" }]),
  },
  {
    feature: "lower OOM score",
    flags: "--oom-score-adj below 0",
    remedy: "start with CAP_SYS_RESOURCE",
    run: lowerOomScore,
  },
  {
    feature: "higher limits",
    flags: "--ulimit above ours",
    remedy: "start with CAP_SYS_RESOURCE, or raise the limits of this shell",
    run: raiseLimit,
  },
  {
    feature: "AppArmor",
    flags: "--security-opt apparmor",
    remedy: "boot with lsm=…,apparmor; other containers do not need it",
    run: () => securityModule("/sys/module/apparmor/parameters/enabled", /^Y/, "AppArmor"),
  },
  {
    feature: "SELinux",
    flags: "--security-opt label",
    remedy: "boot with lsm=…,selinux; other containers do not need it",
    run: () => securityModule("/sys/fs/selinux/enforce", /^[01]/, "SELinux"),
  },
];
