/**
 * A start as a shell script: the same namespaces, mounts, limits and rights with unshare, mount,
 * ip and setpriv (util-linux 2.36, iproute2). What no such tool can do stands in a comment. Pure.
 */
import { DEFAULT_DEVICES } from "../runtime/devices.ts";
import { parseMountOptions } from "../runtime/mount_options.ts";
import type { NamespaceType, Spec, SpecMount } from "../runtime/spec_types.ts";
import type { Explained, Explanation } from "./explain.ts";

/** `text` as one word of a shell. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Flags of unshare and nsenter. A network by name is entered, a user namespace left out. */
const NAMESPACE_FLAGS: Readonly<Partial<Record<NamespaceType, string>>> = {
  mount: "--mount",
  network: "--net",
  uts: "--uts",
  ipc: "--ipc",
  pid: "--pid",
  cgroup: "--cgroup",
};

/** The script. Of a container that runs it makes another one like it. */
export function scriptOf({ explanation, spec }: Explained): string {
  const named = explanation.network.mode === "networks";
  return [
    "#!/bin/sh",
    `# Container ${explanation.container.name} by hand. Run it as root.`,
    "set -eu",
    "work=$(mktemp -d)",
    `id=${explanation.container.id.slice(0, 12)}`,
    ...(named ? ["made="] : []),
    "undo() {",
    ...cgroupDirectories(explanation).map((path) => `  rmdir ${path} 2> /dev/null || true`),
    ...(named
      ? [
        '  ip netns del "$id" 2> /dev/null || true',
        '  for link in $made; do ip link del "$link" 2> /dev/null || true; done',
      ]
      : []),
    '  rm -rf "$work"',
    "}",
    "trap undo EXIT",
    "",
    "# cgroup: limits first, then the first process enters.",
    ...cgroupLines(explanation),
    ...(named ? networkLines(explanation) : []),
    "",
    ...fileLines(spec),
    "cat > \"$work/inside\" << 'INSIDE'",
    ...insideLines(spec, explanation),
    "INSIDE",
    "",
    ...(spec.linux?.namespaces?.some(({ type }) => type === "user")
      ? ["# run makes a user namespace too. Here the container's users are the machine's."]
      : []),
    "# The namespaces. The shell enters the cgroup, and all it starts is born there.",
    "code=0",
    `sh -c 'set -e; ${entering(explanation)}exec "$@"' sh ${command(spec, named)} || code=$?`,
    'exit "$code"',
    "",
  ].join("\n");
}

/** Paths of the cgroup with the container's id in a variable: another id, another cgroup. */
function ownPath(path: string, { container }: Explanation): string {
  const at = path.indexOf(container.id);
  if (at < 0) return shellWord(path);
  const rest = path.slice(at + container.id.length);
  return `${shellWord(path.slice(0, at))}"by-hand-$id"${rest === "" ? "" : shellWord(rest)}`;
}

/** Directories that are made, without a value; the others are files. */
function directories({ cgroup }: Explanation): string[] {
  return cgroup.writes.filter(({ value }) => value === undefined).map(({ path }) => path);
}

function cgroupDirectories(explanation: Explanation): string[] {
  return directories(explanation).map((path) => ownPath(path, explanation));
}

function isEntrance(path: string): boolean {
  return path.endsWith("/tasks");
}

function cgroupLines(explanation: Explanation): string[] {
  const { writes } = explanation.cgroup;
  const values = writes.flatMap(({ path, value, why, program }) => {
    if (value === undefined || program || isEntrance(path)) return [];
    return [`printf %s ${shellWord(value)} > ${ownPath(path, explanation)} # ${why}`];
  });
  const rules = writes.filter(({ program }) => program).map(({ value, why }) =>
    `#   ${why.split(":")[0]}: ${value}`
  );
  const about = "# run attaches an eBPF program to the cgroup, which no tool of the shell does:";
  return [
    ...cgroupDirectories(explanation).map((path) => `mkdir -p ${path}`),
    ...cpusetLines(explanation),
    ...values,
    ...(rules.length === 0 ? [] : [about, ...rules]),
  ];
}

/**
 * A new cpuset of cgroup v1 has no processors: nothing can enter it, and no cpuset below can have
 * any, before it has. The directory above the container's may be as new as its own.
 */
function cpusetLines(explanation: Explanation): string[] {
  const sets = directories(explanation)
    .filter((path) => /\/([^/]+,)?cpuset(,[^/]+)?\//.test(path))
    .map((path) => ownPath(path, explanation));
  if (sets.length === 0) return [];
  return [
    "# A new cpuset is empty: it takes what the one above has, and that one before it.",
    'fill() { grep -q . "$1/$2" || { fill "${1%/*}" "$2"; cat "${1%/*}/$2" > "$1/$2"; }; }',
    ...sets.flatMap((set) => [`fill ${set} cpuset.cpus`, `fill ${set} cpuset.mems`]),
  ];
}

/** What the shell does before it becomes the container: each hierarchy by its own file. */
function entering(explanation: Explanation): string {
  const entrances = explanation.cgroup.writes.map(({ path }) => path).filter(isEntrance);
  // On v2 the engine writes nothing, its process is born there: no tool of the shell can do that.
  const own = (path: string) => path.replace(explanation.container.id, `by-hand-'"$id"'`);
  return directories(explanation).map((directory) => {
    const tasks = entrances.find((path) => path === `${directory}/tasks`);
    return `echo 0 > ${own(tasks ?? `${directory}/cgroup.procs`)}; `;
  }).join("");
}

function networkLines({ network }: Explanation): string[] {
  const lines = ["", "# network: a namespace with a name, a veth pair, the bridge's other end."];
  lines.push('ip netns add "$id"', 'ip -n "$id" link set lo up');
  for (const link of network.links) {
    const bridge = shellWord(link.bridge);
    const host = shellWord(`h${link.hostLink.slice(0, 13)}`);
    const [gateway] = link.gateways;
    const width = link.addresses[0]?.split("/")[1] ?? "16";
    lines.push(
      `if ! ip link show ${bridge} > /dev/null 2>&1; then`,
      `  ip link add ${bridge} type bridge`,
      ...(gateway === undefined ? [] : [`  ip address add ${gateway}/${width} dev ${bridge}`]),
      `  ip link set ${bridge} up`,
      `  made="$made ${bridge}" # nobody else's: it goes at the end`,
      "fi",
      `ip link add ${host} type veth peer name ${shellWord(link.name)} netns "$id"`,
      `ip link set ${host} master ${bridge} up`,
      ...(link.mac ? [`ip -n "$id" link set ${shellWord(link.name)} address ${link.mac}`] : []),
      ...link.addresses.map((address) =>
        `ip -n "$id" address add ${address} dev ${shellWord(link.name)}`
      ),
      `ip -n "$id" link set ${shellWord(link.name)} up`,
      ...link.gateways.map((via) => `ip -n "$id" route add default via ${via}`),
    );
  }
  return [...lines, ...network.ports.map((port) => `# port ${port}: by the rules below`)]
    .concat(network.rules.map((rule) => `# rule ${rule}`));
}

/** Files that the engine makes beside a container: empty ones would do, these are useful. */
function fileLines(spec: Spec): string[] {
  const name = shellWord(spec.hostname ?? "container");
  return [
    "# Files that are bound into the container.",
    'mkdir -p "$work/upper" "$work/work" "$work/root"',
    ': > "$work/upper/.dockerenv"',
    'cp /etc/resolv.conf "$work/resolv.conf" 2> /dev/null || : > "$work/resolv.conf"',
    `echo ${name} > "$work/hostname"`,
    `printf '127.0.0.1\\tlocalhost\\n' > "$work/hosts"`,
  ];
}

/** Enters what is there, by nsenter, then makes what is new: unshare would make both. */
function command(spec: Spec, named: boolean): string {
  const joined = named ? ['--net="/run/netns/$id"'] : [];
  const made: string[] = [];
  for (const { type, path } of spec.linux?.namespaces ?? []) {
    const flag = NAMESPACE_FLAGS[type];
    if (flag === undefined || (named && type === "network")) continue;
    if (path) joined.push(`${flag}=${shellWord(path)}`);
    else made.push(flag);
  }
  const enter = joined.length === 0 ? "" : `nsenter ${joined.join(" ")} `;
  const all = [...made, "--fork", "--kill-child"].join(" ");
  return `${enter}unshare ${all} sh "$work/inside" "$work" "$id"`;
}

/** The second script: from the new namespaces to the command. */
function insideLines(spec: Spec, explanation: Explanation): string[] {
  const overlay = spec.diplodock?.overlay;
  const lower = overlay?.lower.join(":") ?? "";
  const rootLine = overlay === undefined
    ? `mount --bind ${shellWord(spec.root!.path)} "$root"`
    : `mount -t overlay overlay -o "lowerdir=${lower},upperdir=$work/upper,workdir=$work/work" "$root"`;
  return [
    "work=$1; id=$2; root=$work/root",
    ...(spec.linux?.namespaces?.some(({ type, path }) => type === "network" && !path)
      ? ["ip link set lo up"]
      : []),
    "# Nothing that is mounted here shall be seen outside.",
    "mount --make-rprivate /",
    rootLine,
    ...(spec.mounts ?? []).flatMap((mount) => mountLines(mount, explanation)),
    ...deviceLines(),
    ...Object.entries(spec.linux?.sysctl ?? {}).map(([key, value]) =>
      `printf %s ${shellWord(value)} > "$root/proc/sys/${key.replaceAll(".", "/")}"`
    ),
    "# Hidden: a device that is empty over files, an empty directory over directories.",
    ...(spec.linux?.maskedPaths ?? []).map((path) => {
      const at = `"$root"${shellWord(path)}`;
      return `if [ -d ${at} ]; then mount -t tmpfs -o ro tmpfs ${at}; ` +
        `elif [ -e ${at} ]; then mount --bind /dev/null ${at}; fi`;
    }),
    ...(spec.linux?.readonlyPaths ?? []).map((path) => {
      const at = `"$root"${shellWord(path)}`;
      return `[ ! -e ${at} ] || { mount --bind ${at} ${at}; mount -o remount,bind,ro ${at}; }`;
    }),
    ...(spec.process?.oomScoreAdj === undefined
      ? []
      : [`echo ${spec.process.oomScoreAdj} > /proc/self/oom_score_adj`]),
    ...(spec.hostname ? [`hostname ${shellWord(spec.hostname)}`] : []),
    `mkdir -p "$root"${shellWord(spec.process?.cwd ?? "/")}`,
    ...(spec.root?.readonly ? ['mount -o remount,bind,ro "$root"'] : []),
    "# The new root takes the place of the old one (run: pivot_root).",
    'cd "$root"',
    "mount --move . /",
    ...(spec.linux?.seccomp ? ["# run adds a seccomp filter here: no tool of the shell can."] : []),
    ...rightsOfTools(spec).map((name) =>
      `# ${name} stays in the bounding set: unshare needs it, run does not.`
    ),
    `exec ${lastCommand(spec)}`,
  ];
}

function mountLines(
  { destination, type, source, options = [] }: SpecMount,
  explanation: Explanation,
): string[] {
  const at = `"$root"${shellWord(destination)}`;
  const words = options.filter((word) =>
    !/^r?(bind|private|shared|slave|unbindable|ro|rw)$|^rro$/.test(word)
  );
  const { bind, recursiveBind } = parseMountOptions(options);
  const readonly = options.some((word) => word === "ro" || word === "rro");
  if (type === "cgroup") return cgroupMounts(at, readonly, explanation);
  if (!bind && type !== "bind") {
    const list = [...words, ...(readonly ? ["ro"] : [])].join(",");
    return [
      `mkdir -p ${at}`,
      `mount -t ${shellWord(type ?? "none")} -o ${shellWord(list || "defaults")} ` +
      `${shellWord(source ?? "none")} ${at}`,
    ];
  }
  const own = /\/(resolv\.conf|hostname|hosts)$/.exec(source ?? "")?.[1];
  const from = own === undefined ? shellWord(source ?? "") : `"$work/${own}"`;
  return [
    `if [ -d ${from} ]; then mkdir -p ${at}; else mkdir -p "$(dirname ${at})"; [ -e ${at} ] || : > ${at}; fi`,
    `mount --${recursiveBind ? "rbind" : "bind"} ${from} ${at}`,
    ...(readonly ? [`mount -o remount,bind,ro ${at}`] : []),
  ];
}

/** The container's own directory of each hierarchy, on v2 the only one. */
function cgroupMounts(at: string, readonly: boolean, explanation: Explanation): string[] {
  const { hierarchies } = explanation.cgroup;
  const several = hierarchies.some(({ name }) => name !== "");
  const lock = (place: string) => readonly ? [`mount -o remount,bind,ro ${place}`] : [];
  return [
    `mkdir -p ${at}`,
    ...(several ? [`mount -t tmpfs -o mode=755 tmpfs ${at}`] : []),
    ...hierarchies.flatMap(({ name, directory }) => {
      const place = name === "" ? at : `${at}/${shellWord(name)}`;
      return [
        ...(several ? [`mkdir ${place}`] : []),
        `mount --bind ${ownPath(directory, explanation)} ${place}`,
        ...lock(place),
      ];
    }),
    ...(several ? lock(at) : []),
  ];
}

function deviceLines(): string[] {
  return [
    "# Devices, and the names people expect.",
    ...DEFAULT_DEVICES.map(({ path, type, major, minor }) =>
      `mknod -m 666 "$root"${path} ${type} ${major} ${minor}`
    ),
    'ln -s /proc/self/fd "$root/dev/fd"',
    'for n in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${n%%:*}" "$root/dev/${n#*:}"; done',
    'ln -s /proc/kcore "$root/dev/core"',
    'ln -s pts/ptmx "$root/dev/ptmx"',
  ];
}

/** Rights that the last tool needs and the container does not get: here it gets them. */
function rightsOfTools({ process }: Spec): string[] {
  const { uid = 0, gid = 0 } = process?.user ?? {};
  const needed = ["CAP_SYS_CHROOT", ...(uid + gid > 0 ? ["CAP_SETUID", "CAP_SETGID"] : [])];
  return needed.filter((name) => !process?.capabilities?.bounding?.includes(name));
}

/** Environment, rights, root, directory, user, command: in the order of losing rights. */
function lastCommand(spec: Spec): string {
  const { process } = spec;
  const { user, env = [], cwd = "/", args = [], capabilities } = process!;
  const bounding = [...(capabilities?.bounding ?? []), ...rightsOfTools(spec)]
    .map((name) => `+${name.replace(/^CAP_/, "").toLowerCase()}`);
  const rights = [
    `--bounding-set=${["-all", ...bounding].join(",")}`,
    ...(process!.noNewPrivileges ? ["--no-new-privs"] : []),
  ];
  // chroot(2) needs a right that the user may not have: unshare changes the user behind it.
  const { uid = 0, gid = 0 } = user ?? {};
  const ids = uid === 0 && gid === 0 ? [] : [`--setuid=${uid}`, `--setgid=${gid}`];
  return [
    "env -i",
    ...env.map(shellWord),
    `"$(command -v setpriv)"`,
    ...rights,
    `"$(command -v unshare)"`,
    "--root=.",
    `--wd=${shellWord(cwd)}`,
    ...ids,
    ...args.map(shellWord),
  ].join(" ");
}
