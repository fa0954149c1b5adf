/** Where the program of a quick exec lies; the head of our executable knows it too. */
import { AT_FDCWD } from "../../ffi/constants.ts";
import { sys } from "../../ffi/libc.ts";
import { ownUserNamespace } from "../base/own_namespace.ts";
import { containerRunDirectory, rootDirectory, userId } from "../base/places.ts";
import { SELF_VARIABLE } from "../base/self.ts";
import { isThere } from "../image/store.ts";
import type { ExecRequest } from "./exec.ts";

/** The program for container `id` (src/runtime/quick_exec.ts). */
export const quickExecPath = (id: string) => `${containerRunDirectory(id)}/exec`;

/** Removes it: what it would do or tell is no longer right. Fine where there is none. */
export function forgetQuickExec(id: string): void {
  sys("unlinkat", AT_FDCWD, quickExecPath(id), 0);
}

/** Whether the program would have done for this request, and is not there. */
export function wantsQuickExec(id: string, request: ExecRequest): boolean {
  const { env, user, workingDir, tty, privileged } = request;
  const isPlain = env.length === 0 && user === "" && workingDir === "" && !tty && !privileged;
  return isPlain && isLookedFor() && !isThere(quickExecPath(id));
}

/** Only the self-extracting file looks for it, and only for root. */
function isLookedFor(): boolean {
  return Deno.build.arch === "x86_64" && Deno.env.has(SELF_VARIABLE) && userId() === 0 &&
    ownUserNamespace() === undefined && rootDirectory().startsWith("/") &&
    quickExecPath("").startsWith("/");
}
