/**
 * Steps that reach a path inside the container's root without ever leaving it: each is one
 * openat2 with RESOLVE_IN_ROOT, so a link in an image leads nowhere but into the image.
 */
import { O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_PATH } from "../../ffi/constants.ts";
import { O_NOFOLLOW, O_RDWR, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS } from "../../ffi/constants.ts";
import { EAGAIN, EBADF, EEXIST, ENOENT, SyscallError } from "../../ffi/errno.ts";
import { openHow } from "../../ffi/fd.ts";
import {
  addressIn,
  type Block,
  block,
  type Place,
  slot,
  type Step,
  type Target,
  type Value,
} from "../../ffi/program.ts";

/** How often a list of steps is run before the kernel's giving up is an error. */
const MOST_TRIES = 400;

/**
 * Whether steps failed only because a directory was renamed somewhere on the machine while a path
 * with ".." was looked up: openat2(2) gives up rather than leave the root. Then they may be run
 * again, unless it was the last of MOST_TRIES: who never stops renaming must not keep us for ever.
 */
export function isWorthAnotherTry(error: unknown, attempt: number): boolean {
  return error instanceof SyscallError && error.call === "openat2" && error.errno === EAGAIN &&
    attempt < MOST_TRIES;
}

/** Runs `steps` until they succeed, or fail in a way that `isWorthAnotherTry` is not about. */
export function tryAgain<T>(steps: () => T): T {
  for (let attempt = 1;; attempt++) {
    try {
      return steps();
    } catch (error) {
      if (!isWorthAnotherTry(error, attempt)) throw error;
    }
  }
}

const hows = new Map<string, Block>();

/** struct open_how as a block; equal ones are shared. */
function how(flags: number, mode = 0, resolve = RESOLVE_IN_ROOT): Block {
  const key = `${flags}:${mode}:${resolve}`;
  let made = hows.get(key);
  if (made === undefined) {
    made = block("open how", openHow(flags | O_CLOEXEC, mode, resolve));
    hows.set(key, made);
  }
  return made;
}

/** A path inside the root as openat2 wants it: relative, "." for the root itself. */
export function inside(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  return parts.length === 0 ? "." : parts.join("/");
}

/** Opens `path` in the root that `root` holds. */
export function openInRoot(
  root: Value,
  path: string,
  flags: number,
  result: Place,
  goal: string,
  more: Partial<Step> = {},
): Step {
  const args = [root, inside(path), addressIn(how(flags)), 24];
  return { call: "openat2", args, goal, result, ...more };
}

/** Closes what a slot holds. */
export function closeStep(fd: Value): Step {
  return { call: "close", args: [fd], goal: "close a descriptor" };
}

let labels = 0;
/** A label that no other step has. */
export function freshLabel(idea: string): string {
  return `${idea}.${labels++}`;
}

/**
 * The same for a place that must not be behind a link. What is mounted there counts for the walls:
 * a link of the image could lead it into a volume that another container changes meanwhile.
 */
export function makePlainDirectory(root: Value, path: string, result: Place, goal: string): Step[] {
  const plain = addressIn(how(O_PATH | O_DIRECTORY, 0, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS));
  return [
    ...makeDirectory(root, path, result, goal),
    closeStep(result),
    { call: "openat2", args: [root, inside(path), plain, 24], goal, result },
  ];
}

/**
 * Opens the directory `path` in the root as O_PATH into `result`; makes it and its parents
 * (mode 0755) when absent.
 */
export function makeDirectory(root: Value, path: string, result: Place, goal: string): Step[] {
  const done = freshLabel("directory");
  const flags = O_PATH | O_DIRECTORY;
  return [
    openInRoot(root, path, flags, result, goal, {
      onNegative: "next",
      onZero: `@${done}`,
      onPositive: `@${done}`,
    }),
    ...makeParents(root, `${inside(path)}/.`, goal),
    openInRoot(root, path, flags, result, goal),
    { call: "subtract", args: [0, 0], goal, label: done },
  ];
}

/** Makes every directory above the last part of `path`. */
function makeParents(root: Value, path: string, goal: string): Step[] {
  const parts = inside(path).split("/");
  const directories = path.endsWith("/.") ? parts : parts.slice(0, -1);
  const parent = slot("parent");
  const steps: Step[] = [];
  directories.forEach((name, i) => {
    if (name === "..") return; // stays in the root by itself; nothing to make
    const above = directories.slice(0, i).join("/");
    if (above === "") {
      steps.push({ call: "mkdirat", args: [root, name, 0o755], allow: [EEXIST], goal });
      return;
    }
    steps.push(
      openInRoot(root, above, O_PATH | O_DIRECTORY, parent, goal),
      { call: "mkdirat", args: [parent, name, 0o755], allow: [EEXIST], goal },
      closeStep(parent),
    );
  });
  return steps;
}

/**
 * Opens the file `path` in the root as O_PATH into `result`; makes an empty one when absent. A
 * link that points to nothing is followed if its target can be made, else replaced by the file.
 */
export function makeFile(root: Value, path: string, result: Place, goal: string): Step[] {
  const done = freshLabel("file");
  const arrived: Target = `@${done}`;
  const found = { onZero: arrived, onPositive: arrived };
  const name = inside(path).split("/").at(-1)!;
  const above = inside(path).split("/").slice(0, -1).join("/");
  const parent = slot("parent"), made = slot("made");
  const open = freshLabel("open"), replace = freshLabel("replace");
  const create = freshLabel("create");
  return [
    openInRoot(root, path, O_PATH, result, goal, { onNegative: "next", ...found }),
    ...makeParents(root, path, goal),
    {
      call: "openat2",
      args: [root, inside(path), addressIn(how(O_CREAT | O_RDWR, 0o755)), 24],
      goal,
      result: made,
      onNegative: `@${replace}`,
      onZero: `@${open}`,
      onPositive: `@${open}`,
    },
    { ...openInRoot(root, above, O_PATH | O_DIRECTORY, parent, goal), label: replace },
    // Only a link that leads nowhere is taken away: what else is there stays as it is.
    {
      call: "readlinkat",
      args: [parent, name, addressIn(block("link", new Uint8Array(8))), 8],
      goal,
      onNegative: `@${create}`,
    },
    { call: "unlinkat", args: [parent, name, 0], allow: [ENOENT], goal },
    {
      call: "openat",
      args: [parent, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0o755],
      allow: [EEXIST],
      goal,
      result: made,
      label: create,
    },
    closeStep(parent),
    { ...closeStep(made), allow: [EBADF], label: open },
    openInRoot(root, path, O_PATH, result, goal),
    { call: "subtract", args: [0, 0], goal, label: done },
  ];
}
