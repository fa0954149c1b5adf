/** How an ordinary user's command gets the rights it needs: as root of a user namespace. */
import { UserError } from "../base/errors.ts";
import { isAbsent, makeDirectories, namesIn } from "../base/files.ts";
import { isInsideRootless, ROOTLESS_VARIABLE, runDirectory } from "../base/places.ts";
import { runningCommand } from "../base/self.ts";
import { enterNamespaces, holderOf, leaveNamespaces } from "../runtime/rootless.ts";
import { planUserMaps, type UserMaps, writeUserMaps } from "../runtime/subordinate_ids.ts";
import { sayOnce } from "./say_once.ts";

const directory = () => `${runDirectory()}/namespace`;

/**
 * Sees that the run directory is the user's own: the name in /tmp that is used without
 * XDG_RUNTIME_DIR could be somebody else's. Throws UserError.
 */
export function checkRunDirectory(): void {
  const path = runDirectory();
  makeDirectories(path);
  const { uid, mode, isDirectory } = Deno.lstatSync(path);
  if (isDirectory && uid === Deno.uid() && ((mode ?? 0) & 0o022) === 0) return;
  throw new UserError(
    `Cannot use ${path}: it must be a directory that only you can write to ` +
      "(set XDG_RUNTIME_DIR to one)",
    125,
  );
}

/** Starts this command again as root of the user's namespace. Does not return. */
export function enterAsUser(args: readonly string[]): never {
  makeDirectories(directory());
  const command = {
    argv: [...runningCommand(), ...args],
    env: { ...Deno.env.toObject(), [ROOTLESS_VARIABLE]: String(Deno.uid()) },
  };
  const maps = () => planUserMaps(Deno.uid()!, Deno.gid()!);
  enterNamespaces(directory(), command, maps, write);
}

function write(pid: number, maps: UserMaps): void {
  writeUserMaps(pid, maps);
  if (maps.single === undefined) return;
  sayOnce(
    "single-id",
    `containers have one user id only, root, which is you: ${maps.single}. Files of other owners ` +
      "in images become yours",
  );
}

/** The process that keeps the user's namespaces; undefined where there is none. */
export function namespaceHolder(): number | undefined {
  return holderOf(directory());
}

/** To be called when the command is done: nothing of it stays when no container runs. */
export function leaveAsUser(): void {
  // What runs, or is about to be cleaned up or restarted, has a directory here.
  if (namesIn(`${runDirectory()}/containers`).length > 0) return;
  leaveNamespaces(directory());
}

/** Runs a program inside, with our streams; its exit code. Throws UserError where it is not there. */
export async function runInside([program, ...args]: readonly string[]): Promise<number> {
  if (!isInsideRootless()) {
    throw new UserError("Cannot unshare as root: root's containers need no user namespace", 125);
  }
  try {
    const { code } = await new Deno.Command(program, { args }).spawn().status;
    return code;
  } catch (error) {
    if (!isAbsent(error)) throw error;
    throw new UserError(`exec: "${program}": executable file not found in $PATH`, 127);
  }
}
