/**
 * Where things lie. Persistent state under the root directory, what dies with the processes under
 * the run directory; both can be moved by the environment (DIPLODOCK_ROOT, DIPLODOCK_RUN).
 */

import { ownUserNamespace } from "./own_namespace.ts";

/** Root's, unless the environment says otherwise; the head of the self-extracting file knows them. */
export const DATA_ROOT = "/var/lib/diplodock", RUN_ROOT = "/run/diplodock";

/** The user's own directories, when it is not root who runs us. */
function userDirectory(variable: string, fallback: string): string {
  const set = Deno.env.get(variable);
  if (set !== undefined && set.startsWith("/")) return `${set}/diplodock`;
  return fallback;
}

let root: string | undefined;
let run: string | undefined;
let user: number | undefined;

/**
 * Set by an ordinary user's command when it goes on in the user namespace of its containers, where
 * it is root: "UID" is who it is outside.
 */
export const ROOTLESS_VARIABLE = "DIPLODOCK_ROOTLESS";

/** Whether this process is an ordinary user's command that has become root of a user namespace. */
export function isInsideRootless(): boolean {
  return Deno.uid() === 0 && Deno.env.get(ROOTLESS_VARIABLE) !== undefined &&
    ownUserNamespace() !== undefined;
}

/** Who runs us, as the machine knows him. */
export function userId(): number {
  return user ??= isInsideRootless() ? Number(Deno.env.get(ROOTLESS_VARIABLE)) : Deno.uid()!;
}

/** Whether an ordinary user runs us: its store and root's never mix. */
export function isRootless(): boolean {
  return userId() !== 0;
}

/** Images, layers, containers, volumes, networks. */
export function rootDirectory(): string {
  return root ??= Deno.env.get("DIPLODOCK_ROOT") ??
    (isRootless()
      ? userDirectory("XDG_DATA_HOME", `${homeDirectory()}/.local/share/diplodock`)
      : DATA_ROOT);
}

/** Pids, sockets: gone after a reboot, as the processes are. */
export function runDirectory(): string {
  return run ??= Deno.env.get("DIPLODOCK_RUN") ??
    (isRootless() ? userDirectory("XDG_RUNTIME_DIR", `/tmp/diplodock-run-${userId()}`) : RUN_ROOT);
}

function homeDirectory(): string {
  return Deno.env.get("HOME") ?? "/";
}

/** Everything that is kept of a container. */
export function containerDirectory(id: string): string {
  return `${rootDirectory()}/containers/${id}`;
}

/** What a running container has: state, sockets. */
export function containerRunDirectory(id: string): string {
  return `${runDirectory()}/containers/${id}`;
}

/** The sockets of clients that wait for the start of a container. */
export function waitingDirectory(): string {
  return `${runDirectory()}/waiting`;
}

/** What the names of those of container `id` begin with: an address has no room for all of it. */
export function waitingPrefix(id: string): string {
  return id.slice(0, 32);
}

/** The link that claims a container's name. */
export function namePath(name: string): string {
  return `${rootDirectory()}/names/${name}`;
}
