/**
 * The default seccomp profile, as a table with the reason of each group, and the JSON format that
 * `--security-opt seccomp=FILE` takes (docker's), resolved to what an OCI bundle holds.
 *
 * The default is a list of what is allowed; everything else is EPERM, and calls newer than the
 * table ENOSYS (seccomp_compile.ts). What is refused, and why: docs/seccomp.md.
 */
import type { Seccomp, SeccompArg, SeccompRule } from "./spec_types.ts";
import type { Arch } from "./seccomp_machine.ts";

/** When a rule counts: with all these capabilities, on these architectures, from this kernel. */
export interface ProfileCondition {
  caps?: string[];
  /** Go's names: "amd64", "arm64", "x86", "x32", "arm" … */
  arches?: string[];
  /** "4.8". */
  minKernel?: string;
}

/** One entry of `syscalls` in docker's format. */
export interface ProfileRule extends SeccompRule {
  comment?: string;
  includes?: ProfileCondition;
  excludes?: ProfileCondition;
}

/** A profile in docker's format. */
export interface SeccompProfile extends Omit<Seccomp, "syscalls"> {
  archMap?: { architecture: string; subArchitectures?: string[] | null }[];
  syscalls: ProfileRule[];
}

/** What a profile is resolved for. */
export interface ProfileTarget {
  /** Bounding set of the container, as "CAP_CHOWN". */
  caps: readonly string[];
  arch: Arch;
  /** uname -r, e.g. "6.1.0-13-amd64". */
  kernelRelease: string;
}

/** Calls that go together and the reason they are harmless, or needed, in every container. */
export interface AllowedGroup {
  why: string;
  calls: string;
}

/** Allowed with any arguments and any capabilities. */
export const ALLOWED: readonly AllowedGroup[] = [
  {
    why: "Reading and writing through descriptors the process already has.",
    calls:
      "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek _llseek " +
      "sendfile sendfile64 splice tee vmsplice copy_file_range readahead fadvise64 fadvise64_64",
  },
  {
    why: "Opening, closing and duplicating: file permissions and the mount namespace decide.",
    calls: "open openat openat2 creat close close_range dup dup2 dup3 fcntl fcntl64 flock ioctl " +
      "pipe pipe2 umask memfd_create memfd_secret name_to_handle_at",
  },
  {
    why: "Looking at files and mounts of the container's own mount namespace.",
    calls: "stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 " +
      "fstatfs fstatfs64 access faccessat faccessat2 readlink readlinkat getdents getdents64 " +
      "getcwd statmount listmount cachestat",
  },
  {
    why: "Changing the tree: permissions, CAP_CHOWN, CAP_FOWNER, CAP_MKNOD and the device list " +
      "decide.",
    calls:
      "mkdir mkdirat mknod mknodat link linkat symlink symlinkat unlink unlinkat rmdir rename " +
      "renameat renameat2 chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 fchownat " +
      "lchown lchown32 truncate truncate64 ftruncate ftruncate64 fallocate utime utimes futimesat " +
      "utimensat utimensat_time64 chdir fchdir",
  },
  {
    why: "Extended attributes: namespaces of names are guarded by their own capabilities.",
    calls: "getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat " +
      "listxattr llistxattr flistxattr listxattrat removexattr lremovexattr fremovexattr " +
      "removexattrat",
  },
  {
    why: "Flushing. It costs the host's disks time, which the io controller accounts.",
    calls: "sync syncfs fsync fdatasync sync_file_range",
  },
  {
    why: "Waiting for descriptors and files.",
    calls: "select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64 epoll_create " +
      "epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 " +
      "eventfd eventfd2 signalfd signalfd4 inotify_init inotify_init1 inotify_add_watch " +
      "inotify_rm_watch fanotify_mark",
  },
  {
    why: "The old asynchronous I/O. Not io_uring, whose work bypasses this filter.",
    calls: "io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents " +
      "io_pgetevents_time64 ioprio_get ioprio_set",
  },
  {
    why: "The process's own memory.",
    calls: "brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall " +
      "munlock munlockall mseal remap_file_pages pkey_alloc pkey_free pkey_mprotect membarrier " +
      "map_shadow_stack process_mrelease",
  },
  {
    why: "Starting and ending programs. Flags of clone are looked at below.",
    calls:
      "execve execveat fork vfork exit exit_group wait4 waitid waitpid pause restart_syscall " +
      "set_tid_address set_thread_area get_thread_area",
  },
  {
    why: "Who the process is and becomes: CAP_SETUID, CAP_SETGID and CAP_SETPCAP decide.",
    calls: "getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid " +
      "getresuid32 getresgid getresgid32 getgroups getgroups32 setuid setuid32 setgid setgid32 " +
      "setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32 " +
      "setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capget capset",
  },
  {
    why: "Processes of the container's own pid namespace, sessions and priorities.",
    calls: "getpid getppid gettid getpgid getpgrp setpgid getsid setsid getpriority setpriority " +
      "getrlimit ugetrlimit setrlimit prlimit64 getrusage times prctl pidfd_open",
  },
  {
    why: "Sandboxes that a program builds for itself.",
    calls: "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self",
  },
  {
    why: "Signals: they reach the container's own pid namespace only.",
    calls: "kill tkill tgkill pidfd_send_signal rt_sigaction rt_sigprocmask rt_sigpending " +
      "rt_sigqueueinfo rt_tgsigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait " +
      "rt_sigtimedwait_time64 sigaltstack sigprocmask sigreturn",
  },
  {
    why: "Threads and locks.",
    calls: "futex futex_time64 futex_wait futex_wake futex_waitv futex_requeue set_robust_list " +
      "get_robust_list rseq getcpu",
  },
  {
    why: "Scheduling. More than the default needs CAP_SYS_NICE; the cpu controller stays above.",
    calls: "sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr " +
      "sched_getparam sched_setparam sched_getscheduler sched_setscheduler sched_get_priority_max " +
      "sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64",
  },
  {
    why: "Reading clocks, timers, sleeping. Adjusting needs CAP_SYS_TIME, without it they only " +
      "read.",
    calls: "time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 " +
      "clock_nanosleep clock_nanosleep_time64 nanosleep alarm getitimer setitimer timer_create " +
      "timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 " +
      "timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 " +
      "adjtimex clock_adjtime clock_adjtime64",
  },
  {
    why: "Sockets that exist. What may be created is looked at below; socketcall is 32-bit x86.",
    calls: "accept accept4 bind connect listen shutdown socketpair socketcall getsockname " +
      "getpeername getsockopt setsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg " +
      "recvmmsg recvmmsg_time64",
  },
  {
    why: "System V and POSIX ipc of the container's own ipc namespace.",
    calls: "ipc msgget msgctl msgsnd msgrcv semget semctl semop semtimedop semtimedop_time64 " +
      "shmget shmctl shmat shmdt mq_open mq_unlink mq_notify mq_getsetattr mq_timedsend " +
      "mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64",
  },
  {
    why: "Facts about the machine, and random bytes.",
    calls: "uname sysinfo getrandom riscv_hwprobe uretprobe",
  },
];

/** socket(2) compares an int: only the low half of the register counts, so only it is looked at. */
const LOW = 0xffffffff;

function lowBits(index: number, mask: number, value: number): SeccompArg {
  return { index, value: mask, valueTwo: value, op: "SCMP_CMP_MASKED_EQ" };
}

/**
 * The families that docker allows, as blocks of equal leading bits. Not among them: AF_ALG and
 * AF_VSOCK; those of networks that are gone or rare (DECnet, Econet, ATM SVC, IrDA, WANPIPE, IUCV,
 * CAIF), which load a module when they are first used; and those above 45.
 */
const SOCKET_BLOCKS: readonly [first: number, size: number][] = [
  [0, 8],
  [8, 4],
  [13, 1],
  [14, 2],
  [16, 2],
  [18, 1],
  [21, 1],
  [22, 1],
  [24, 1],
  [26, 2],
  [28, 4],
  [32, 2],
  [35, 1],
  [36, 1],
  [39, 1],
  [41, 1],
  [42, 2],
  [44, 2],
];

/** PER_LINUX, PER_LINUX32, both with UNAME26, and the query. linux/personality.h. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

/** CLONE_NEW{NS,UTS,IPC,USER,PID,NET,CGROUP}. linux/sched.h. */
const NAMESPACE_FLAGS = 0x7e020000;

/** A rule without its action, which is ALLOW unless `errnoRet` is there. */
interface Conditional {
  calls: string;
  why: string;
  args?: SeccompArg[];
  includes?: ProfileCondition;
  excludes?: ProfileCondition;
  errnoRet?: number;
}

function withCap(cap: string, calls: string, why: string): Conditional {
  return { calls, why, includes: { caps: [cap] } };
}

/** Allowed with some arguments, some capabilities, some machines. */
export const CONDITIONAL: readonly Conditional[] = [
  {
    calls: "ptrace process_vm_readv process_vm_writev",
    why: "Until 4.8 a tracer could change the call after the filter had seen it.",
    includes: { minKernel: "4.8" },
  },
  ...SOCKET_BLOCKS.map(([first, size]): Conditional => ({
    calls: "socket",
    why: "AF_VSOCK is not in a network namespace, AF_ALG opens a large part of the kernel; other " +
      "families are of networks that hardly anybody has, and load modules.",
    args: [lowBits(0, LOW - (size - 1), first)],
  })),
  ...PERSONALITIES.map((value): Conditional => ({
    calls: "personality",
    why: "The others switch off address randomisation or bring back old ABIs.",
    args: [{ index: 0, value, op: "SCMP_CMP_EQ" }],
  })),
  {
    calls: "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
    why: "What every program of ARM needs.",
    includes: { arches: ["arm", "arm64"] },
  },
  {
    calls: "arch_prctl",
    why: "Thread-local storage of x86-64.",
    includes: { arches: ["amd64", "x32"] },
  },
  {
    calls: "modify_ldt",
    why: "Thread-local storage of 32-bit programs, Wine.",
    includes: { arches: ["amd64", "x32", "x86"] },
  },
  {
    calls: "clone",
    why: "New namespaces need CAP_SYS_ADMIN; threads and processes do not.",
    args: [lowBits(0, NAMESPACE_FLAGS, 0)],
    excludes: { caps: ["CAP_SYS_ADMIN"] },
  },
  {
    calls: "clone3",
    why: "Its flags are in memory, which a filter cannot read: libraries fall back to clone.",
    errnoRet: 38, // ENOSYS
    excludes: { caps: ["CAP_SYS_ADMIN"] },
  },
  withCap(
    "CAP_SYS_ADMIN",
    "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie " +
      "lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount " +
      "open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog " +
      "umount umount2 unshare",
    "Mounts and namespaces.",
  ),
  withCap("CAP_DAC_READ_SEARCH", "open_by_handle_at", "Opens files outside the mount namespace."),
  withCap("CAP_SYS_BOOT", "reboot", "Ends a pid namespace or the machine."),
  withCap("CAP_SYS_CHROOT", "chroot", "A second root inside the container's root."),
  withCap("CAP_SYS_MODULE", "delete_module init_module finit_module", "Code for the kernel."),
  withCap("CAP_SYS_PACCT", "acct", "Process accounting is not in a namespace."),
  withCap(
    "CAP_SYS_PTRACE",
    "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
    "Reads and changes other processes.",
  ),
  withCap("CAP_SYS_RAWIO", "iopl ioperm", "The machine's I/O ports."),
  withCap(
    "CAP_SYS_TIME",
    "settimeofday stime clock_settime clock_settime64",
    "The clock is not in a namespace.",
  ),
  withCap("CAP_SYS_TTY_CONFIG", "vhangup", "Hangs up the terminal of others."),
  withCap(
    "CAP_SYS_NICE",
    "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "Moves memory between nodes.",
  ),
  withCap("CAP_SYSLOG", "syslog", "The kernel's log has addresses."),
  withCap("CAP_BPF", "bpf", "Programs in the kernel."),
  withCap("CAP_PERFMON", "perf_event_open", "Watches the whole machine."),
];

function conditionalRule(entry: Conditional): ProfileRule {
  const { calls, why, errnoRet, args, includes, excludes } = entry;
  const action = errnoRet === undefined ? "SCMP_ACT_ALLOW" : "SCMP_ACT_ERRNO";
  const rule: ProfileRule = { names: calls.split(" "), action, comment: why };
  if (errnoRet !== undefined) rule.errnoRet = errnoRet;
  if (args !== undefined) rule.args = args;
  if (includes !== undefined) rule.includes = includes;
  if (excludes !== undefined) rule.excludes = excludes;
  return rule;
}

/** All of ALLOWED in one line; also how a default filter is recognised (seccomp_compile.ts). */
export function allowedNames(): string {
  return ALLOWED.map((group) => group.calls).join(" ");
}

/** The default profile in docker's format. */
export function defaultProfile(): SeccompProfile {
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 1, // EPERM
    archMap: [
      { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
      { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
    ],
    syscalls: [
      { names: allowedNames().split(" "), action: "SCMP_ACT_ALLOW" },
      ...CONDITIONAL.map(conditionalRule),
    ],
  };
}
