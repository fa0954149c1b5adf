/**
 * What `--security-opt apparmor=…` and `label=…` become: an AppArmor profile, SELinux labels of
 * processes and of files. Sources: apparmor(7), proc_pid_attr(5), container_selinux(8).
 */
import { readIfThere } from "../base/files.ts";
import type { SecurityOptions } from "./security_opts.ts";

/** The modules that are active. */
export interface SecurityModules {
  readonly apparmor: boolean;
  readonly selinux: boolean;
}

/** What the kernel of this machine has. */
export function activeModules(): SecurityModules {
  return {
    apparmor: readIfThere("/sys/module/apparmor/parameters/enabled")?.startsWith("Y") === true,
    selinux: readIfThere("/sys/fs/selinux/enforce") !== undefined,
  };
}

/** The fields of the bundle. */
export interface SecurityLabels {
  apparmor?: string;
  processLabel?: string;
  mountLabel?: string;
}

/**
 * The labels of container `id`. Only what was asked for is set: as with docker, whose daemon has
 * SELinux off unless told otherwise, a container without `label=` has none of its own.
 */
export function securityLabels(
  { apparmor, labels }: SecurityOptions,
  modules: SecurityModules,
  id: string,
): SecurityLabels {
  const disabled = labels.length === 0 || labels.includes("disable");
  return {
    ...(apparmor !== undefined && modules.apparmor && { apparmor }),
    ...(!disabled && modules.selinux && selinuxLabels(labels, id)),
  };
}

/** Labels of the policy for containers; the two categories are the container's own. */
function selinuxLabels(words: readonly string[], id: string): SecurityLabels {
  const option = (key: string) =>
    words.findLast((word) => word.startsWith(`${key}:`))?.slice(key.length + 1);
  const [first, second] = categories(id);
  const level = option("level") ?? `s0:c${first},c${second}`;
  const user = option("user") ?? "system_u";
  return {
    processLabel: [user, option("role") ?? "system_r", option("type") ?? "container_t", level]
      .join(":"),
    mountLabel: [user, "object_r", option("filetype") ?? "container_file_t", level].join(":"),
  };
}

/** Two different numbers below 1024, the lower one first. */
function categories(id: string): [number, number] {
  const first = parseInt(id.slice(0, 5), 16) % 1024;
  const second = (first + 1 + parseInt(id.slice(5, 10), 16) % 1023) % 1024;
  return first < second ? [first, second] : [second, first];
}

/** What was asked for and has no effect here, in words. */
export function labelWarnings(
  { apparmor, labels }: SecurityOptions,
  modules: SecurityModules,
): string[] {
  const warnings: string[] = [];
  if (apparmor !== undefined && apparmor !== "unconfined" && !modules.apparmor) {
    warnings.push(`This host does not run AppArmor. Profile "${apparmor}" discarded.`);
  }
  if (labels.length > 0 && !labels.includes("disable") && !modules.selinux) {
    warnings.push(`This host does not run SELinux. Label options discarded.`);
  }
  return warnings;
}
