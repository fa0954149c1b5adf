/** From "inside the container" to its program: what `run` and `exec` share. */
import {
  AT_FDCWD,
  CLOSE_RANGE_CLOEXEC,
  F_DUPFD_CLOEXEC,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  O_WRONLY,
  PR_SET_DUMPABLE,
  PR_SET_NAME,
  SIGCHLD,
} from "../../ffi/constants.ts";
import { EACCES, EINVAL, ENOENT, ENOTDIR } from "../../ffi/errno.ts";
import {
  addressIn,
  assign,
  block,
  goTo,
  type Place,
  placeIn,
  slot,
  STATE,
  type Step,
  stepAddress,
  stringArray,
  TAIL,
  textBlock,
  type Value,
} from "../../ffi/program.ts";
import { ALL_SIGNALS, restoreSignals } from "../../ffi/spawn.ts";
import {
  boundingSteps,
  capabilitySteps,
  keyringSteps,
  noNewPrivilegesSteps,
  personalitySteps,
  rlimitSteps,
  seccompSteps,
  userSteps,
} from "./identity.ts";
import { armLastWords, lastWords } from "./last_words.ts";
import { labelSteps } from "./security_labels.ts";
import { freshLabel } from "./paths.ts";
import { schedulerSteps } from "./scheduler.ts";
import type { SeccompFilter } from "./seccomp_compile.ts";
import type { Process } from "./spec_types.ts";

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** One cannot execute this path: the next one of PATH is tried. */
export const NOT_HERE = [ENOENT, ENOTDIR, EACCES];

/** How the steps of one process tell of a failure, and end. */
export interface Failure {
  /** The report pipe when the steps begin; null where the starter sees our memory. */
  readonly report: Value;
  /** The label of the tail; unique in the program. */
  readonly label: string;
}

/** The wait of OCI's `create`: a process that is ready in every way but has not called execve. */
export interface Pause {
  /** Numbers of descriptors that it needs until execve. */
  readonly keep: readonly Place[];
  /** `report` is where failures are written from then on. */
  steps(report: Place): readonly Step[];
}

/** Everything a process is told besides its OCI description. */
export interface ProcessPlan {
  readonly process: Process;
  readonly filter?: SeccompFilter;
  readonly personality?: { domain: string; flags?: string[] };
  readonly failure: Failure;
  /** The report pipe's number, kept in a slot because the descriptors are tidied up. */
  readonly report: Place;
  /** Descriptors 3 to 2+N are the user's. */
  readonly preserveFds: number;
  /** setgroups may be refused: a user namespace made without privilege. */
  readonly mayDenyGroups: boolean;
  /** Stay as a tiny first process that reaps and forwards signals, instead of execve. */
  readonly reaper: boolean;
  /** The socket that the listener of a filter with SCMP_ACT_NOTIFY goes to. */
  readonly agent?: Place;
  /** Right before execve. The command is looked up before, so that its absence shows at once. */
  readonly pause?: Pause;
  /** Stay in the session keyring of the caller. */
  readonly sameKeyring?: boolean;
  /** Calls execve in place of the steps for `process.args`, where these are not known yet. */
  readonly command?: readonly Step[];
}

/** The first steps: from here a failure goes to this process's own tail. */
export function beginSteps({ report: pipe, label }: Failure, report: Place): Step[] {
  return [
    assign(TAIL, stepAddress(label), "choose where failures go"),
    assign(report, pipe, "note the report pipe"),
  ];
}

/** The last steps of the list, reached only by failures: report the step, then end. */
export function tailSteps({ label }: Failure, report: Place): Step[] {
  const goal = "report a failure";
  return [
    {
      call: "write",
      args: [report, addressIn(STATE), 16],
      goal,
      label,
      onNegative: "next",
    },
    { call: "exit_group", args: [1], goal },
  ];
}

/** Limits, identity, rights, working directory, execve. */
export function processSteps(plan: ProcessPlan): Step[] {
  const { process, filter } = plan;
  const capabilities = process.capabilities;
  // Without no_new_privs the filter needs CAP_SYS_ADMIN and so comes before it is given up;
  // with it, it comes last, where the fewest calls have to pass it.
  const install = filter ? seccompSteps(filter, plan.agent) : [];
  const early = process.noNewPrivileges ? [] : install;
  const late = process.noNewPrivileges ? install : [];
  // The agent gets the listener from whoever creates, not from whoever starts.
  const ahead = filter?.notify && plan.agent ? late : [];
  const last = ahead === late ? [] : late;
  return [
    ...schedulerSteps(process),
    ...rlimitSteps(process.rlimits ?? []),
    ...(plan.personality ? personalitySteps(plan.personality) : []),
    ...(plan.sameKeyring ? [] : keyringSteps()),
    ...tidyDescriptors(plan),
    ...(capabilities ? boundingSteps(capabilities) : []),
    ...early,
    ...userSteps(process, plan.mayDenyGroups),
    ...(capabilities ? capabilitySteps(capabilities) : []),
    ...(process.noNewPrivileges ? noNewPrivilegesSteps() : []),
    {
      call: "chdir",
      args: [process.cwd],
      goal: `change to the working directory "${process.cwd}"`,
    },
    { call: "umask", args: [process.user.umask ?? 0o022], goal: "set the umask" },
    ...(plan.pause ? lookUpSteps(process) : []),
    ...(plan.reaper ? reaperSteps(plan, late) : [
      ...restoreSignals(),
      ...ahead,
      ...(plan.pause?.steps(plan.report) ?? []),
      ...last,
      ...(plan.pause ? armLastWords() : []),
      ...(plan.command ?? execSteps(process)),
      ...(plan.pause ? lastWords(process.args?.[0] ?? "") : []),
    ]),
  ];
}

/** Sees whether the command can be executed, as execve will. faccessat2(2). */
function lookUpSteps({ args = [], env = [] }: Process): Step[] {
  const X_OK = 1, AT_EACCESS = 0x200;
  const found = freshLabel("found");
  const paths = candidates(args[0] ?? "", env);
  const goal = `start "${args[0]}"`;
  return [
    ...paths.flatMap((path, i): Step[] => {
      const isLast = i === paths.length - 1, other = freshLabel("other");
      return [
        {
          call: "faccessat2",
          args: [AT_FDCWD, path, X_OK, AT_EACCESS],
          goal,
          onNegative: isLast ? "fail" : `@${other}`,
        },
        // A directory may be "executed" as well: entered.
        {
          call: "openat",
          args: [AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0],
          goal,
          onNegative: `@${found}`,
        },
        ...(isLast
          // EISDIR, for nobody can write to a directory.
          ? [{ call: "openat", args: [AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0], goal } as Step]
          : []),
        { ...goTo("next", goal), label: other },
      ];
    }),
    { ...goTo("next", goal), label: found },
  ];
}

/**
 * Closes every descriptor but the streams, the user's and the report pipe — before the working
 * directory is entered: one that is left open on a host directory would be a way out through
 * /proc/self/fd (CVE-2024-21626).
 */
function tidyDescriptors({ preserveFds, report, failure, pause, agent }: ProcessPlan): Step[] {
  const reportAt = 3 + preserveFds;
  const goal = "close the host's descriptors";
  if (failure.report === null) {
    return [{ call: "close_range", args: [reportAt, 0xffffffff, 0], goal }];
  }
  if (pause || agent) {
    return tidyForPause([report, ...(pause?.keep ?? []), ...(agent ? [agent] : [])], reportAt);
  }
  return [
    {
      call: "dup3",
      args: [report, reportAt, O_CLOEXEC],
      allow: [EINVAL], // it is there already
      goal,
    },
    assign(report, reportAt, goal),
    { call: "close_range", args: [reportAt + 1, 0xffffffff, 0], goal },
    { call: "close_range", args: [reportAt, 0xffffffff, CLOSE_RANGE_CLOEXEC], goal },
  ];
}

/** Moves `places` to `first` and above, by way of numbers that none of them has, and closes the rest. */
function tidyForPause(places: readonly Place[], first: number): Step[] {
  const goal = "close the host's descriptors";
  const end = first + places.length;
  return [
    ...places.map((place): Step => ({
      call: "fcntl",
      args: [place, F_DUPFD_CLOEXEC, end],
      goal,
      result: place,
    })),
    ...places.flatMap((place, i): Step[] => [
      { call: "dup3", args: [place, first + i, O_CLOEXEC], goal },
      assign(place, first + i, goal),
    ]),
    { call: "close_range", args: [end, 0xffffffff, 0], goal },
  ];
}

/** Paths to try for a command: itself if it has a slash, else one for each directory of PATH. */
export function candidates(command: string, env: readonly string[]): string[] {
  if (command.includes("/")) return [command];
  const path = env.find((entry) => entry.startsWith("PATH="))?.slice(5) || DEFAULT_PATH;
  return path.split(":").map((directory) => `${directory === "" ? "." : directory}/${command}`);
}

/** execve of the command, tried along PATH. */
function execSteps(process: Process): Step[] {
  const args = process.args ?? [];
  const argv = stringArray("argv", args), envp = stringArray("envp", process.env ?? []);
  const paths = candidates(args[0] ?? "", process.env ?? []);
  return paths.map((path, i): Step => ({
    call: "execve",
    args: [path, argv, envp],
    goal: `start "${args[0]}"`,
    allow: i < paths.length - 1 ? NOT_HERE : [],
  }));
}

/**
 * What `--init` asks for: the first process starts the command as its child, forwards every
 * signal to it, reaps orphans, and ends as the command ended.
 */
function reaperSteps(plan: ProcessPlan, late: readonly Step[]): Step[] {
  const goal = "be the first process";
  const child = slot("child"), signal = slot("signal"), reaped = slot("reaped");
  const status = placeIn(block("status", new Uint8Array(16)), 0),
    name = textBlock("name", "diplodock-init");
  const jump = { onNegative: "next", onZero: "next", onPositive: "next" } as const;
  return [
    { call: "rt_sigprocmask", args: [2, addressIn(ALL_SIGNALS), 0, 8], goal },
    { call: "prctl", args: [PR_SET_NAME, addressIn(name), 0, 0, 0], goal },
    // Not clone3: filters like docker's refuse it, because they cannot see its flags.
    { call: "clone", args: [SIGCHLD, 0, 0, 0, 0], goal, result: child, onZero: "@reaper.command" },
    ...late,
    { call: "close", args: [plan.report], goal },
    {
      call: "rt_sigtimedwait",
      args: [addressIn(ALL_SIGNALS), 0, 0, 8],
      goal,
      label: "reaper.loop",
      result: signal,
      onNegative: "@reaper.loop",
    },
    {
      call: "subtract",
      args: [signal, SIGCHLD],
      goal,
      onNegative: "@reaper.forward",
      onZero: "@reaper.reap",
    },
    { ...goTo("next"), label: "reaper.forward" },
    { call: "kill", args: [child, signal], goal, ...jump, onNegative: "@reaper.loop" },
    goTo("@reaper.loop"),
    {
      call: "wait4",
      args: [-1, addressIn(status), 1, 0],
      goal,
      label: "reaper.reap",
      result: reaped,
      onNegative: "@reaper.loop",
      onZero: "@reaper.loop",
    },
    {
      call: "subtract",
      args: [reaped, child],
      goal,
      onNegative: "@reaper.reap",
      onPositive: "@reaper.reap",
    },
    ...endAs(status),
    { ...goTo("next"), label: "reaper.command" },
    ...restoreSignals(),
    { call: "setsid", args: [], goal, onNegative: "next" },
    ...late,
    ...execSteps(plan.process),
  ];
}

/**
 * Ends with the exit code of a wait status: the code (bits 8 to 15), or 128 + the signal's number
 * (bits 0 to 6, bit 7 tells of a core dump). wait(2).
 */
export function endAs(status: Place): Step[] {
  const goal = "end as the command did";
  const code: Place = { ...status, offset: status.offset + 1 };
  const result = slot("exit code");
  return [
    { call: "subtract", args: [status, 256], goal, onNegative: "@reaper.signalled" },
    { call: "exit_group", args: [code], goal },
    {
      call: "subtract",
      args: [status, 128],
      goal,
      label: "reaper.signalled",
      onNegative: "@reaper.plain",
    },
    { call: "exit_group", args: [status], goal }, // core dumped: 128 is in it already
    { call: "subtract", args: [status, 0], goal, label: "reaper.plain", onZero: "@reaper.zero" },
    { call: "subtract", args: [status, -128], goal, result },
    { call: "exit_group", args: [result], goal },
    { call: "exit_group", args: [0], goal, label: "reaper.zero" },
  ];
}

/**
 * What a process writes to its own files of /proc: the OOM score, and the labels that execve is to
 * give it. While /proc is still the host's: the container may have put something else at its own
 * (a FIFO, a link, a file that takes a label and forgets it; CVE-2019-16884). Then the process
 * hides from the container: who gives up rights one by one becomes, for a moment, somebody whom
 * root of the container may trace, with all that its memory and descriptors hold.
 */
export function hostProcSteps(process: Process): Step[] {
  const { oomScoreAdj } = process;
  const dumpable = (value: number): Step => ({
    call: "prctl",
    args: [PR_SET_DUMPABLE, value, 0, 0, 0],
    goal: "hide from the container",
  });
  return [
    // Who shares its memory with an earlier process that hid has to own its /proc again.
    ...(oomScoreAdj === undefined ? [] : [dumpable(1), ...oomScoreSteps(oomScoreAdj)]),
    ...labelSteps(process),
    dumpable(0),
  ];
}

/** Writes the OOM score; /proc must be the one of a pid namespace that knows us. */
function oomScoreSteps(score: number): Step[] {
  const goal = `set oom_score_adj to ${score}`;
  const file = slot("oom_score_adj"), text = String(score);
  return [
    {
      call: "openat",
      args: [AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC],
      goal,
      result: file,
    },
    { call: "write", args: [file, text, text.length], goal },
    { call: "close", args: [file], goal },
  ];
}
