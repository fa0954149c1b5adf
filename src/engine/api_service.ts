/** The socket of docker's API: bound here, and served by a program of a few pages. */
import {
  F_GETFL,
  F_SETFL,
  O_DIRECTORY,
  O_NONBLOCK,
  O_PATH,
  SOCK_STREAM,
} from "../../ffi/constants.ts";
import { executable } from "../../ffi/elf.ts";
import { Fd, openAt } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import { connectAt, isLocalListener, listenAt } from "../../ffi/unix_socket.ts";
import { UserError } from "../base/errors.ts";
import { lstatIfThere, makeDirectories, readIfThere } from "../base/files.ts";
import { runDirectory } from "../base/places.ts";
import { ownCommand } from "../base/self.ts";
import { becomeGenerated } from "../runtime/become.ts";
import { listenerProgram } from "../runtime/listener_program.ts";

/** The first descriptor that systemd passes on. sd_listen_fds(3). */
const FIRST_PASSED = 3;
const GROUP = "docker";
const SOCKET_MODE = 0o660;

/** Where the socket is, unless it is said: beside the run directory, which is for root alone. */
export function defaultSocket(): string {
  return `${runDirectory()}.sock`;
}

/** The path in "unix:///run/x.sock", or in a path alone. Throws UserError for anything else. */
export function socketPath(address: string): string {
  const path = address.replace(/^unix:\/\//, "");
  if (/^[a-z]+:\/\//.test(path)) {
    throw new UserError(
      `Cannot listen on "${address}": the API means root, and is served on a local socket only; ` +
        "clients elsewhere come by ssh (DOCKER_HOST=ssh://…)",
    );
  }
  if (!path.startsWith("/")) {
    throw new UserError(`Cannot listen on "${address}": want unix:///PATH`);
  }
  return path;
}

/** Serves the socket at `path`, or the one that systemd passed on; does not return. */
export function serveSocket(path: string): never {
  const passed = passedSocket();
  const listener = passed ?? bindSocket(path);
  const flags = check("see the flags of the socket", "fcntl", listener.raw, F_GETFL);
  check("keep accepts from waiting", "fcntl", listener.raw, F_SETFL, flags | O_NONBLOCK);
  const command = ownCommand("system", "dial-stdio");
  const env = command.env.filter((word) => !word.startsWith("LISTEN_"));
  const program = listenerProgram({
    listener: listener.raw,
    command: { ...command, env },
    path: passed === undefined ? path : undefined,
  });
  const name = passed === undefined ? path : "systemd";
  becomeGenerated(executable(program).bytes, [listener.raw], ["diplodock-api", name]);
}

/** sd_listen_fds(3). Throws UserError for anything but one local socket that takes connections. */
function passedSocket(): Fd | undefined {
  const count = Number(Deno.env.get("LISTEN_FDS"));
  if (Deno.env.get("LISTEN_PID") !== String(Deno.pid) || !(count >= 1)) return undefined;
  if (count === 1 && isLocalListener(FIRST_PASSED)) return new Fd(FIRST_PASSED);
  throw new UserError(
    `Cannot listen on ${count === 1 ? "the socket" : `the ${count} sockets`} that systemd passed ` +
      "on: want one with a path (ListenStream=/PATH) and Accept=no; the API means root, and is " +
      "served on a local socket only",
  );
}

/** A listening socket at `path`; one that nobody listens on any more is replaced. */
function bindSocket(path: string): Fd {
  const at = path.lastIndexOf("/");
  const folder = path.slice(0, at) || "/", name = path.slice(at + 1);
  makeDirectories(folder, 0o755);
  using directory = openAt(null, folder, O_PATH | O_DIRECTORY);
  removeStale(path, directory, name);
  // Nobody but us may connect before the owner is set.
  const before = Deno.umask(0o177);
  try {
    const listener = listenAt(directory, name, SOCK_STREAM);
    giveToGroup(path);
    return listener;
  } finally {
    Deno.umask(before);
  }
}

function removeStale(path: string, directory: Fd, name: string): void {
  const found = lstatIfThere(path);
  if (found === undefined) return;
  if (found.isSocket !== true) {
    throw new UserError(`Cannot listen on "${path}": a file that is no socket is there`);
  }
  using served = connectAt(directory, name, SOCK_STREAM);
  if (served !== undefined) {
    throw new UserError(`Cannot listen on "${path}": another process listens there`);
  }
  Deno.removeSync(path);
}

/** As docker's: for root, and for the members of group docker where there is one. */
function giveToGroup(path: string): void {
  const line = (readIfThere("/etc/group") ?? "").split("\n")
    .find((one) => one.startsWith(`${GROUP}:`));
  const gid = Number(line?.split(":")[2]);
  if (Deno.uid() === 0 && Number.isInteger(gid)) Deno.chownSync(path, 0, gid);
  Deno.chmodSync(path, SOCKET_MODE);
}
