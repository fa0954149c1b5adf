/** startContainer hooks: programs of the container, so they get its process's rights and no more. */
import type { Fd } from "../../ffi/fd.ts";
import { execute } from "./exec.ts";
import type { HookStarter } from "./hooks.ts";
import { sharedNamespaces } from "./namespaces.ts";
import { compileSeccomp } from "./seccomp_compile.ts";
import type { Spec } from "./spec_types.ts";
import { hasUserNamespace } from "./user_namespace.ts";

/** Starts hooks as `exec` starts processes. `container` is the pidfd of init, `pid` its number. */
export function startAsProcess(container: Fd, pid: number, spec: Spec): HookStarter {
  const { seccomp } = spec.linux ?? {};
  return (hook, { stdin, output }) =>
    execute({
      pidfd: container.raw,
      userNamespace: hasUserNamespace(spec),
      shared: sharedNamespaces(pid),
      process: {
        ...spec.process!,
        terminal: false,
        cwd: "/",
        args: [hook.path, ...(hook.args ?? []).slice(1)],
        env: hook.env ?? [],
      },
      filter: seccomp && seccomp.listenerPath === undefined
        ? compileSeccomp(seccomp, Deno.build.arch)
        : undefined,
      cgroupTasks: [],
      streams: [stdin.raw, output.raw, output.raw],
      deathSignal: 0,
    });
}
