/** AppArmor profiles and SELinux labels of what execve starts: proc_pid_attr(5). */
import { AT_FDCWD, O_CLOEXEC, O_WRONLY } from "../../ffi/constants.ts";
import { ENOENT } from "../../ffi/errno.ts";
import { slot, type Step, textBlock } from "../../ffi/program.ts";
import { addressIn } from "../../ffi/program.ts";
import { freshLabel } from "./paths.ts";
import type { Process } from "./spec_types.ts";

/** Both are written here and take effect at execve; a profile that is not loaded fails. */
export function labelSteps({ apparmorProfile, selinuxLabel }: Process): Step[] {
  return [
    ...(apparmorProfile ? attributeSteps(`exec ${apparmorProfile}`, "AppArmor profile", true) : []),
    ...(selinuxLabel ? attributeSteps(selinuxLabel, "SELinux label", false) : []),
  ];
}

function attributeSteps(value: string, what: string, apparmor: boolean): Step[] {
  const goal = `set the ${what} "${value.replace(/^exec /, "")}"`;
  const file = slot("attribute"), text = textBlock("label", value);
  const opened = freshLabel("attribute");
  const open = (path: string, more: Partial<Step>): Step => ({
    call: "openat",
    args: [AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0],
    goal,
    result: file,
    ...more,
  });
  // AppArmor has a directory of its own since Linux 5.8, for machines with several modules.
  const own = open("/proc/self/attr/apparmor/exec", {
    allow: [ENOENT],
    onZero: "next",
    onPositive: `@${opened}`,
  });
  return [
    ...(apparmor ? [own] : []),
    open("/proc/self/attr/exec", {}),
    { call: "write", args: [file, addressIn(text), text.bytes.length - 1], goal, label: opened },
    { call: "close", args: [file], goal },
  ];
}
