/** Containers' records on disk: made, found by id or name, listed, changed, removed. */
import { UserError } from "../base/errors.ts";
import {
  isAbsent,
  lstatIfThere,
  makeDirectories,
  namesIn,
  readIfThere,
  removeIfThere,
  writeAtomic,
} from "../base/files.ts";
import {
  containerDirectory,
  containerRunDirectory,
  namePath,
  rootDirectory,
  waitingDirectory,
  waitingPrefix,
} from "../base/places.ts";
import { type Fd, lockFile, lockShared } from "../../ffi/fd.ts";
import { readStartNote } from "./state.ts";
import type { ContainerRecord } from "./types.ts";

/** How the names of directories under containers/ begin that are being taken away. */
const REMOVING = ".removing-";

/** 64 random hexadecimal digits. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The first 12 digits: what tables show, and the default hostname. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}

/** The record of container `id`. Throws UserError when it is gone or its file is broken. */
export function readRecord(id: string): ContainerRecord {
  const path = `${containerDirectory(id)}/container.json`;
  const text = readIfThere(path);
  if (text === undefined) throw new UserError(noSuchContainer(id));
  try {
    const record: ContainerRecord | null = JSON.parse(text);
    if (record?.Id === id && typeof record.HostConfig === "object") return record;
    throw new SyntaxError("not a container's record");
  } catch (error) {
    throw new UserError(
      `Cannot read container ${shortId(id)}: ${path} is not valid JSON (${
        (error as Error).message
      })` +
        `; restore the file, or remove the container with: diplodock rm -f ${shortId(id)}`,
    );
  }
}

/**
 * Replaces the record. `durable`: flushed to the disk, which costs milliseconds; a container that
 * removes itself need not survive a power cut, nor need what a start adds.
 */
export function writeRecord(
  record: ContainerRecord,
  durable = !record.HostConfig.AutoRemove,
): void {
  const path = `${containerDirectory(record.Id)}/container.json`;
  writeAtomic(path, JSON.stringify(record), durable);
}

/** docker's words for a reference that names nothing. */
function noSuchContainer(reference: string): string {
  return `No such container: ${reference}`;
}

/**
 * Claims `name` for `id` by making a link: the file system decides who is first. Throws UserError
 * with docker's text when it is taken. A link to a container that is gone is replaced.
 */
export function claimName(name: string, id: string): void {
  makeDirectories(`${rootDirectory()}/names`);
  for (;;) {
    try {
      Deno.symlinkSync(id, namePath(name));
      return;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
    const owner = nameOwner(name);
    if (owner === undefined) continue; // given back meanwhile
    if (!removeIfOrphan(owner, name)) {
      throw new UserError(
        `Conflict. The container name "/${name}" is already in use by container "${owner}". ` +
          `You have to remove (or rename) that container to be able to reuse that name.`,
      );
    }
  }
}

const makersLock = () => `${rootDirectory()}/containers/.makers`;

/**
 * Makes the directory of a new container and takes its lock. Disposing gives the lock back; if
 * there is no record by then, the next sweep removes the directory. Between the two calls below a
 * directory without a lock exists, which a sweep would take for an orphan: so sweeps and makers
 * exclude each other for that moment.
 */
export function beginContainer(id: string): Fd {
  makeDirectories(`${rootDirectory()}/containers`);
  using _makers = lockShared(makersLock());
  Deno.mkdirSync(containerDirectory(id), { mode: 0o710 });
  return lockFile(`${containerDirectory(id)}/lock`);
}

/**
 * Gives `name` back if `id` holds it. Those who look and remove exclude each other: else one of
 * them could remove the link that a new owner made meanwhile.
 */
export function releaseName(name: string, id: string): void {
  if (nameOwner(name) !== id) return;
  using _names = lockFile(`${rootDirectory()}/names/.lock`);
  if (nameOwner(name) === id) removeIfThere(namePath(name));
}

function nameOwner(name: string): string | undefined {
  try {
    return Deno.readLinkSync(namePath(name));
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** The name whose link leads to `id`, for a container whose record cannot be read. */
export function nameOf(id: string): string | undefined {
  return namesIn(`${rootDirectory()}/names`).find((name) =>
    name !== ".lock" && nameOwner(name) === id
  );
}

/** Whether there is a directory for `id`; it may be without a record, while it is made. */
function exists(id: string): boolean {
  return lstatIfThere(containerDirectory(id))?.isDirectory === true;
}

function hasRecord(id: string): boolean {
  return lstatIfThere(`${containerDirectory(id)}/container.json`)?.isFile === true;
}

/** Whether a reference may mean `id`: it has a record, or its record was lost after a start. */
function isKnown(id: string): boolean {
  return hasRecord(id) || (exists(id) && readStartNote(id) !== undefined);
}

/**
 * Removes what is left of a container whose maker died: it has no record, and nobody holds its
 * lock (makers do). Returns whether `name` is free of it now.
 */
function removeIfOrphan(id: string, name: string | undefined): boolean {
  if (isKnown(id)) return false;
  if (exists(id)) {
    // Who wants the name waits for makers (they hold the lock for a moment); a sweep need not.
    using makers = lockFile(makersLock(), name !== undefined);
    if (makers === undefined) return false;
    using lock = tryLock(id);
    if (lock === undefined || isKnown(id)) return false;
    deleteRecord(id, name);
    return true;
  }
  if (name !== undefined && !exists(id)) releaseName(name, id);
  return true;
}

function tryLock(id: string): Fd | undefined {
  try {
    return lockFile(`${containerDirectory(id)}/lock`, false);
  } catch (error) {
    if (!exists(id)) return undefined;
    throw error;
  }
}

/** The ids of all containers that have a directory; one that is being made has no record yet. */
export function containerIds(): string[] {
  return namesIn(`${rootDirectory()}/containers`).filter((name) => /^[0-9a-f]{64}$/.test(name));
}

/** All records, newest first; a container that vanishes meanwhile, or is half made, is left out. */
export function listRecords(onBroken?: (id: string, error: Error) => void): ContainerRecord[] {
  const records: ContainerRecord[] = [];
  for (const id of containerIds()) {
    if (!hasRecord(id)) continue;
    try {
      records.push(readRecord(id));
    } catch (error) {
      if (!hasRecord(id)) continue;
      onBroken?.(id, error as Error);
    }
  }
  return records.sort((a, b) => b.Created < a.Created ? -1 : b.Created > a.Created ? 1 : 0);
}

/**
 * The id that `reference` means: a full id, a name (with or without "/"), or the start of one id
 * only; a name wins over the start of an id. Throws UserError with docker's texts.
 */
export function resolveContainer(reference: string): string {
  if (/^[0-9a-f]{64}$/.test(reference) && isKnown(reference)) return reference;
  const name = reference.startsWith("/") ? reference.slice(1) : reference;
  if (name === "" || name.includes("/")) throw new UserError(noSuchContainer(reference));
  const owner = nameOwner(name);
  if (owner !== undefined && isKnown(owner)) return owner;
  const matches = containerIds().filter((id) => id.startsWith(reference) && isKnown(id));
  if (matches.length === 1) return matches[0];
  if (matches.length > 1) {
    throw new UserError(`multiple IDs found with provided prefix: ${reference}`);
  }
  throw new UserError(noSuchContainer(reference));
}

/**
 * Takes the lock of a container; whoever changes it holds it. Throws UserError when the container
 * is gone by the time the lock is ours. Without `wait`: undefined when another process has it.
 * flock(2).
 */
export function lockContainer(id: string): Fd;
export function lockContainer(id: string, wait: boolean): Fd | undefined;
export function lockContainer(id: string, wait = true): Fd | undefined {
  let lock: Fd | undefined;
  try {
    lock = lockFile(`${containerDirectory(id)}/lock`, wait);
  } catch (error) {
    if (exists(id)) throw error;
    throw new UserError(noSuchContainer(id));
  }
  if (lock === undefined) return undefined;
  using undo = new DisposableStack();
  undo.use(lock);
  if (!exists(id)) throw new UserError(noSuchContainer(id));
  undo.move();
  return lock;
}

/** Removes all that is kept of a container; its name is free afterwards. The lock is held. */
export function deleteRecord(id: string, name: string | undefined): void {
  const aside = `${rootDirectory()}/containers/${REMOVING}${id}`;
  try {
    Deno.renameSync(containerDirectory(id), aside); // from here on it does not exist
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  if (name !== undefined) releaseName(name, id);
  removeIfThere(containerRunDirectory(id), true);
  for (const socket of namesIn(waitingDirectory())) {
    if (socket.startsWith(waitingPrefix(id))) removeIfThere(`${waitingDirectory()}/${socket}`);
  }
  removeIfThere(aside, true);
}

/** Finishes what was interrupted: removals, and containers whose maker died half-way. */
export function sweepOrphans(): void {
  const directory = `${rootDirectory()}/containers`;
  for (const name of namesIn(directory)) {
    if (name.startsWith(REMOVING)) removeIfThere(`${directory}/${name}`, true);
    else if (!name.startsWith(".")) removeIfOrphan(name, undefined);
  }
  const names = `${rootDirectory()}/names`;
  for (const name of namesIn(names)) {
    if (name === ".lock") continue;
    const owner = nameOwner(name);
    if (owner !== undefined && !exists(owner)) removeIfOrphan(owner, name);
  }
}
