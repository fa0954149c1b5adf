/** Makes docs/spec-coverage.md: one row per field of config.json. `deno task spec-docs` writes it. */
import { LIMITS } from "../src/runtime/cgroup_table.ts";
import { knownMountOptions } from "../src/runtime/mount_options.ts";
import { fieldPaths, SPEC_SHAPE } from "../src/runtime/spec_shape.ts";

/** Where the page is. */
export const COVERAGE_PAGE = "docs/spec-coverage.md";

/** done: as the specification has it. refused: an error names it. ignored: without effect, and why. */
export type State = "done" | "refused" | "ignored";

/** A field, or all fields below one that have the same answer. The longest match counts. */
type Entry = readonly [path: string, state: State, how: string];

const HOOK = (kind: string, how: string): Entry => [`hooks.${kind}`, "done", how];

/** Rows for groups of fields; a field has the one that matches most of its path. */
export const ENTRIES: readonly Entry[] = [
  ["ociVersion", "done", "1.x; others are an error"],
  [
    "process.terminal",
    "done",
    "opened inside the container, the master sent to `--console-socket`",
  ],
  ["process.consoleSize", "done", "TIOCSWINSZ before the process starts"],
  ["process.cwd", "done", "made where the root does not have it"],
  ["process.env", "done", "also where the command is looked for (`PATH`)"],
  ["process.args", "done", "looked up at `create`"],
  ["process.commandLine", "ignored", "Windows"],
  ["process.rlimits", "done", "prlimit(2), before capabilities are given up"],
  [
    "process.apparmorProfile",
    "done",
    "`/proc/self/attr/apparmor/exec`; an error where it is not loaded",
  ],
  ["process.capabilities", "done", "names this program does not know are ignored with a warning"],
  [
    "process.capabilities.ambient",
    "done",
    "those not permitted and inheritable too: a warning, as the kernel refuses them",
  ],
  ["process.noNewPrivileges", "done", "prctl(2); with it the seccomp filter comes last"],
  ["process.oomScoreAdj", "done", "written by the process, for user namespaces from outside"],
  ["process.scheduler", "done", "sched_setattr(2)"],
  ["process.selinuxLabel", "done", "`/proc/self/attr/exec`; an error without SELinux"],
  ["process.ioPriority", "done", "ioprio_set(2)"],
  [
    "process.execCPUAffinity",
    "done",
    "`exec` only: `initial` before the cgroup is entered, `final` after",
  ],
  ["process.user", "done", "ids, groups and umask"],
  ["process.user.username", "ignored", "Windows"],
  ["root.path", "done", "absolute, or relative to the bundle"],
  ["root.readonly", "done", "the root mount only, as the specification says"],
  ["hostname", "done", "needs a uts namespace"],
  ["domainname", "done", "needs a uts namespace"],
  ["mounts[].destination", "done", "looked up inside the root; a relative one with a warning"],
  ["mounts[].type", "done", "what the kernel has; `cgroup` shows the container's own cgroups"],
  ["mounts[].source", "done", "absolute, or relative to the bundle"],
  ["mounts[].options", "done", "the list below; other words go to the file system"],
  ["mounts[].uidMappings", "done", "mount_setattr(2), MOUNT_ATTR_IDMAP"],
  ["mounts[].gidMappings", "done", "mount_setattr(2), MOUNT_ATTR_IDMAP"],
  HOOK("prestart", "in the runtime's namespaces, after those of the container are made"),
  HOOK("createRuntime", "as prestart, behind them"),
  HOOK("createContainer", "in the container's namespaces, before the root changes"),
  HOOK("startContainer", "in the container, with the rights of its process, at `start`"),
  HOOK("poststart", "at `start`, after execve; a failure is a warning"),
  HOOK("poststop", "at `delete`; a failure is a warning"),
  ["annotations", "done", "in the state, and in what hooks are given; none is an instruction"],
  ["linux.namespaces", "done", "all eight kinds, new or by path"],
  ["linux.uidMappings", "done", "newuidmap(1) for ordinary users"],
  ["linux.gidMappings", "done", "newgidmap(1) for ordinary users"],
  ["linux.timeOffsets", "done", "`timens_offsets`, before anybody is in the namespace"],
  ["linux.devices", "done", "mknod; bound from the host in user namespaces"],
  ["linux.cgroupsPath", "done", "a path; systemd's `slice:prefix:name` is an error"],
  ["linux.resources.devices", "done", "the default devices stay usable"],
  ["linux.resources.memory.kernel", "ignored", "the kernel has no such limit since 5.16"],
  ["linux.resources.memory.useHierarchy", "ignored", "the kernel knows nothing else since 5.11"],
  [
    "linux.resources.memory.checkBeforeUpdate",
    "done",
    "v2: `update` refuses a limit below what is in use",
  ],
  ["linux.resources.unified", "done", "v2: files as they are; an error on v1"],
  ["linux.rootfsPropagation", "done", "with `shared` the host's mounts are not cut off"],
  ["linux.seccomp", "done", "compiled here: x86-64, x86, x32, AArch64, ARM; others cannot run"],
  ["linux.seccomp.flags", "done", "TSYNC, LOG, SPEC_ALLOW, WAIT_KILLABLE_RECV"],
  [
    "linux.seccomp.listenerPath",
    "done",
    "for the first process and each `exec`; `read` and `write` cannot be notified",
  ],
  ["linux.seccomp.listenerMetadata", "done", "in the container process state"],
  ["linux.sysctl", "done", "those of a namespace of the container's own; others are an error"],
  ["linux.maskedPaths", "done", "absent ones are skipped"],
  ["linux.readonlyPaths", "done", "absent ones are skipped"],
  [
    "linux.mountLabel",
    "done",
    "`context=` of new file systems; proc, sysfs, mqueue and cgroups have the policy's",
  ],
  ["linux.intelRdt", "refused", "no resctrl group can be made"],
  ["linux.personality", "done", "LINUX and LINUX32"],
  ["linux.personality.flags", "refused", "the specification has none"],
];

/** The files of a limit, from the table that writes them. */
function limitEntry(path: string): Entry | undefined {
  const field = path.replace("linux.resources.", "").replaceAll("[]", "");
  const found = LIMITS.filter((limit) =>
    field === limit.field || field.startsWith(`${limit.field}.`)
  );
  if (!path.startsWith("linux.resources.") || found.length === 0) return undefined;
  const files = (version: "v1" | "v2") => {
    const all = found.flatMap((limit) => limit[version].map(({ file }) => `\`${file}\``));
    return all.length === 0 ? "none" : [...new Set(all)].join(", ");
  };
  return [path, "done", `v1: ${files("v1")}; v2: ${files("v2")}`];
}

/** The answer for one field; undefined where nobody gave one. */
export function coverageOf(path: string): Entry | undefined {
  const matching = ENTRIES.filter(([of]) =>
    path === of || path.startsWith(`${of}.`) || path.startsWith(`${of}[`)
  ).sort(([a], [b]) => b.length - a.length);
  return matching[0] ?? limitEntry(path);
}

const INTRODUCTION = `# What of the runtime specification works

Every field of config.json that concerns Linux, of version 1.2.0 of the specification, as
\`src/runtime/spec_shape.ts\` has them. A test fails when a field has no row, or a row no field.

- done: as the specification has it.
- refused: an error names the field before anything is done.
- ignored: nothing happens, for the reason given.

What this machine's kernel, or its cgroups, do not have is a warning that names the limit; a value
the kernel refuses is an error. Fields that nobody knows are ignored, as the specification demands.

`;

function commandsPart(): string {
  return `
## Mount options

${knownMountOptions().map((word) => `\`${word}\``).join(" ")}

A file system may refuse \`acl\`, \`iversion\`, \`mand\`, \`sync\`, \`dirsync\`, \`lazytime\` and their opposites:
then they are left out. On a bind they, and words for file systems, have no effect, and a warning
says so. \`nofail\` and words for mount(8) alone have none anywhere.

## Commands

create, start, run, state, kill, delete, exec, ps, list, pause, resume, update, events, spec and
features take runc's options. Different from runc:

- \`--systemd-cgroup\` is an error: cgroups are made by this runtime itself. Engines have a setting for
  that (docs/cluster.md).
- checkpoint and restore do not exist; \`--criu\` is accepted and has no use.
- \`--rootless\` is always \`auto\`: without a cgroup that may be used the container runs without, with a
  warning if limits were asked for.
- \`update\` refuses \`--l3-cache-schema\` and \`--mem-bw-schema\`; \`--kernel-memory\` is a warning.
- poststart hooks run after start, as the specification has it; runc 1.1 runs them at create.
`;
}

/** The text of docs/spec-coverage.md. */
export function coveragePage(): string {
  const rows = fieldPaths(SPEC_SHAPE).map((path) => {
    const [, state, how] = coverageOf(path) ?? [path, "?", "?"];
    return `| \`${path}\` | ${state} | ${how} |\n`;
  });
  return INTRODUCTION + "| field | state | how |\n| --- | --- | --- |\n" + rows.join("") +
    commandsPart();
}

if (import.meta.main) Deno.writeTextFileSync(COVERAGE_PAGE, coveragePage());
