/**
 * Mounts that init cannot make itself: binds whose owners are mapped, which takes a right over the
 * file system; all binds of a container in a user namespace, whose root may not even see the
 * source; and tmpfs that is filled first. They are made here as detached trees; init only attaches
 * them.
 */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  CLONE_NEWUSER,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
  SIGKILL,
  WALL,
} from "../../ffi/constants.ts";
import { executable } from "../../ffi/elf.ts";
import { Fd, openAt, pipe, readInto } from "../../ffi/fd.ts";
import { check, sys } from "../../ffi/libc.ts";
import { UserError } from "../base/errors.ts";
import { copiedUp } from "./copy_up.ts";
import { execute } from "./execute.ts";
import { parseMountOptions } from "./mount_options.ts";
import { mountAttr } from "./mounts.ts";
import type { IdMapping, Spec, SpecMount } from "./spec_types.ts";
import { hasUserNamespace, writeIdMaps } from "./user_namespace.ts";

/** Descriptors of trees by the index of their mount; disposing closes them. */
export interface Trees extends Disposable {
  readonly numbers: ReadonlyMap<number, number>;
}

/** Makes the trees that `spec` needs. Throws SyscallError, UserError for a map that is missing. */
export function openTrees(spec: Spec): Trees {
  using undo = new DisposableStack();
  const numbers = new Map<number, number>();
  const inside = hasUserNamespace(spec);
  (spec.mounts ?? []).forEach((mount, index) => {
    const options = parseMountOptions(mount.options ?? []);
    if (options.copyUp && mount.type === "tmpfs" && spec.root) {
      const filled = copiedUp(spec.root.path, mount.destination, options);
      if (filled !== undefined) numbers.set(index, undo.use(filled).raw);
      return;
    }
    const mapped = options.idmap !== "no" || (mount.uidMappings?.length ?? 0) > 0;
    if (!mapped && !(inside && (options.bind || mount.type === "bind"))) return;
    const tree = undo.use(openTree(mount, options.recursiveBind));
    numbers.set(index, tree.raw);
    if (mapped) mapOwners(tree, mount, spec, options.idmap === "recursive");
  });
  const owned = undo.move();
  return { numbers, [Symbol.dispose]: () => owned.dispose() };
}

function openTree(mount: SpecMount, recursive: boolean): Fd {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
  const goal = `bind "${mount.source}" at "${mount.destination}"`;
  return new Fd(check(goal, "open_tree", AT_FDCWD, mount.source ?? "", flags));
}

/** mount_setattr(2), MOUNT_ATTR_IDMAP. */
function mapOwners(tree: Fd, mount: SpecMount, spec: Spec, recursive: boolean): void {
  const uids = mount.uidMappings ?? spec.linux?.uidMappings ?? [];
  const gids = mount.gidMappings ?? spec.linux?.gidMappings ?? [];
  if (uids.length === 0 || gids.length === 0) {
    throw new UserError(`Cannot map the owners of "${mount.source}": no id mappings are given`);
  }
  using namespace = namespaceWith(uids, gids);
  const { bytes } = mountAttr({ set: 0, clear: 0 }, 0, namespace.raw);
  const flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  const goal = `map the owners of "${mount.source}"`;
  check(goal, "mount_setattr", tree.raw, "", flags, bytes, bytes.length);
}

/** A user namespace with these maps, made by a process that lives only until it is opened. */
function namespaceWith(uidMappings: IdMapping[], gidMappings: IdMapping[]): Fd {
  const ready = pipe(), goal = "make a user namespace for a mount";
  using _read = ready.read;
  const { bytes } = executable({
    steps: [
      { call: "unshare", args: [CLONE_NEWUSER], goal },
      { call: "write", args: [ready.write.raw, "!", 1], goal },
      { call: "ppoll", args: [null, 0, null, null, 8], goal },
    ],
  });
  const pid = execute(bytes, [ready.write.raw], ["diplodock-idmap"]);
  ready.write[Symbol.dispose]();
  try {
    if (readInto(ready.read, new Uint8Array(1)) !== 1) throw new UserError(`Cannot ${goal}`);
    writeIdMaps(pid, { linux: { uidMappings, gidMappings } });
    return openAt(null, `/proc/${pid}/ns/user`);
  } finally {
    sys("kill", pid, SIGKILL);
    sys("wait4", pid, 0, WALL, 0);
  }
}
