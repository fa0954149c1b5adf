/** What must hold of a bundle before anything is done for it: a table, all of it checked at once. */
import { UserError } from "../base/errors.ts";
import { PERSONALITY } from "./identity.ts";
import { NAMESPACE_FLAG } from "./namespaces.ts";
import { inside } from "./paths.ts";
import type { NamespaceType, Spec } from "./spec_types.ts";

type Check = (spec: Spec) => string | undefined;

const absolute = (what: string, paths: readonly string[]): string | undefined => {
  const bad = paths.find((path) => !path.startsWith("/"));
  return bad === undefined ? undefined : `${what} "${bad}" is not absolute`;
};

const types = (spec: Spec): string[] => (spec.linux?.namespaces ?? []).map(({ type }) => type);
const has = (spec: Spec, type: NamespaceType): boolean => types(spec).includes(type);

/** Sysctls that belong to a namespace; all others would change the host. */
function sysctlScope(name: string): NamespaceType | undefined {
  const dotted = name.replaceAll("/", ".");
  if (dotted.startsWith("net.")) return "network";
  if (dotted === "kernel.domainname" || dotted === "kernel.hostname") return "uts";
  if (/^kernel\.(msg\w*|sem|shm\w*)$/.test(dotted) || dotted.startsWith("fs.mqueue.")) return "ipc";
  return dotted.startsWith("user.") ? "user" : undefined;
}

function sysctls(spec: Spec): string | undefined {
  for (const name of Object.keys(spec.linux?.sysctl ?? {})) {
    const scope = sysctlScope(name);
    if (scope === undefined) return `sysctl "${name}" is not in a separate kernel namespace`;
    if (!has(spec, scope)) return `sysctl "${name}" needs a ${scope} namespace of its own`;
  }
  return undefined;
}

/** Files of /proc that tell of resources: these may be replaced, one by one, as lxcfs does. */
const REPLACEABLE = new Set(
  ["cpuinfo", "diskstats", "loadavg", "meminfo", "net/dev", "slabinfo", "stat", "swaps", "uptime"]
    .concat(["sys/crypto/fips_enabled", "sys/kernel/ns_last_pid"]).map((name) => `/proc/${name}`),
);

/** A path without "." and ".." and double slashes, by its text. */
function clean(path: string): string {
  const parts: string[] = [];
  for (const part of inside(path).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** Nothing but /proc itself is /proc: what looks like it could hide it, or be written instead. */
function procMounts({ mounts = [] }: Spec): string | undefined {
  for (const { type, source = "", destination } of mounts) {
    const path = clean(destination);
    if (path !== "/proc" && !path.startsWith("/proc/")) continue;
    if (type === "proc" || REPLACEABLE.has(path)) continue;
    if (path === "/proc" && clean(source) === "/proc") continue;
    return `"${source}" cannot be mounted to "${destination}" because it is inside /proc`;
  }
  return undefined;
}

/** A string with a NUL would be another one to the kernel. */
function nul(spec: Spec): string | undefined {
  // Seen in one look: only a configuration that may have one is walked through.
  return JSON.stringify(spec).includes("\\u0000") ? nulIn(spec) : undefined;
}

function nulIn(value: unknown): string | undefined {
  if (typeof value === "string") {
    return value.includes("\0") ? `${JSON.stringify(value)} has a NUL inside` : undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, item] of Object.entries(value)) {
    const problem = nulIn(key) ?? nulIn(item);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

const CHECKS: readonly Check[] = [
  (spec) => /^1\./.test(spec.ociVersion) ? undefined : `version "${spec.ociVersion}" is not 1.x`,
  (spec) => spec.root?.path ? undefined : "root.path is empty",
  (spec) => spec.process === undefined ? undefined : absolute("process.cwd", [spec.process.cwd]),
  (spec) => absolute("mount destination", (spec.mounts ?? []).map((m) => m.destination)),
  (spec) => absolute("masked path", spec.linux?.maskedPaths ?? []),
  (spec) => absolute("read-only path", spec.linux?.readonlyPaths ?? []),
  (spec) => absolute("device", (spec.linux?.devices ?? []).map((d) => d.path)),
  (spec) => {
    const bad = types(spec).find((type) => !Object.hasOwn(NAMESPACE_FLAG, type));
    return bad === undefined ? undefined : `namespace "${bad}" does not exist`;
  },
  (spec) => {
    const all = types(spec);
    const twice = all.find((type, i) => all.indexOf(type) !== i);
    return twice === undefined ? undefined : `namespace "${twice}" is given twice`;
  },
  (spec) => {
    if ((spec.linux?.maskedPaths?.length ?? 0) === 0 || has(spec, "mount")) return undefined;
    return "masked paths need a mount namespace";
  },
  (spec) => {
    const joined = spec.linux?.namespaces?.find(({ type }) => type === "user")?.path;
    const maps = (spec.linux?.uidMappings?.length ?? 0) + (spec.linux?.gidMappings?.length ?? 0);
    if (maps > 0 && !has(spec, "user")) return "id mappings need a user namespace";
    return maps > 0 && joined
      ? "id mappings cannot be given for a joined user namespace"
      : undefined;
  },
  (spec) => spec.hostname && !has(spec, "uts") ? "hostname needs a uts namespace" : undefined,
  (spec) => spec.domainname && !has(spec, "uts") ? "domainname needs a uts namespace" : undefined,
  (spec) => {
    const resctrl = spec.linux?.intelRdt;
    return resctrl ? "intelRdt is not supported: no resctrl group can be made" : undefined;
  },
  sysctls,
  procMounts,
  nul,
  (spec) => {
    const { overlay } = spec.diplodock ?? {};
    if (!overlay) return undefined;
    const { lower, upper, work } = overlay;
    const paths: unknown[] = [...(Array.isArray(lower) ? lower : [undefined]), upper, work];
    if (paths.length > 2 && paths.every((path) => typeof path === "string")) return undefined;
    return "diplodock.overlay wants lower, upper and work";
  },
  (spec) => {
    const { preserveFds = 0 } = spec.diplodock ?? {};
    if (Number.isInteger(preserveFds) && preserveFds >= 0 && preserveFds < 1024) return undefined;
    return "diplodock.preserveFds wants 0 to 1023";
  },
  (spec) => {
    const { domain, flags = [] } = spec.linux?.personality ?? { domain: "LINUX" };
    if (!Object.hasOwn(PERSONALITY, domain)) return `personality "${domain}" does not exist`;
    return flags.length > 0 ? "the specification has no personality flags" : undefined;
  },
];

/** Throws UserError with the first rule that `spec` breaks. No side effects. */
export function checkSpec(spec: Spec): void {
  for (const check of CHECKS) {
    const problem = check(spec);
    if (problem !== undefined) throw new UserError(`Cannot use this configuration: ${problem}`);
  }
}
