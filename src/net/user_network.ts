/**
 * The network of an ordinary user's container. He may make no interface of the host's; a program
 * that is his, pasta or slirp4netns, carries what the container sends over sockets instead. Ports
 * are published by our own proxies, which listen on the host and connect inside. passt(1),
 * slirp4netns(1).
 */
import { readSaid, startInBackground } from "../../ffi/background.ts";
import { AT_FDCWD, O_CLOEXEC, O_RDWR, POLLIN, SIGKILL } from "../../ffi/constants.ts";
import { ENOENT, errnoText } from "../../ffi/errno.ts";
import { Fd, pipe, readInto } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { pollNow } from "../../ffi/poll.ts";
import { UserError } from "../base/errors.ts";
import { makeDirectories, readIfThere, removeIfThere, writeAtomic } from "../base/files.ts";
import { findProgram } from "../base/programs.ts";
import { startTimeOf } from "./owner.ts";
import type { NetPlaces } from "./places.ts";
import type { Sandbox } from "./sandbox.ts";

/** What the container has, whichever program it is. */
export const USER_NETWORK = {
  ip: "10.0.2.100",
  prefix: 24,
  gateway: "10.0.2.2",
  /** Leads to the host's resolvers, also to one that listens on the host's loopback only. */
  nameserver: "10.0.2.3",
  ifname: "eth0",
} as const;

/** Chooses the program; without it pasta where it is installed, else slirp4netns. */
const PROGRAM_VARIABLE = "DIPLODOCK_ROOTLESS_NETWORK";

const PROGRAMS = ["pasta", "slirp4netns"] as const;

/** A program that is installed. */
export interface UserNetworkProgram {
  readonly name: typeof PROGRAMS[number];
  readonly path: string;
}

/** The program to be used. Throws UserError that says what to do where there is none. */
export function chooseProgram(
  wish: string | undefined = Deno.env.get(PROGRAM_VARIABLE),
  find: (name: string) => string | undefined = findProgram,
): UserNetworkProgram {
  const candidates = PROGRAMS.filter((name) => wish === undefined || wish === name);
  if (candidates.length === 0) {
    const known = PROGRAMS.join(" or ");
    throw new UserError(`Cannot use ${PROGRAM_VARIABLE}="${wish}": want ${known}`, 125);
  }
  for (const name of candidates) {
    const path = find(name);
    if (path !== undefined) return { name, path };
  }
  throw new UserError(
    `Cannot connect a container of an ordinary user: ${candidates.join(" and ")} not found; ` +
      "install passt or slirp4netns, or use --network host or --network none",
    125,
  );
}

/**
 * Both programs open it inside; udev lets everybody, which a bare machine or a container may not.
 * Throws UserError that says what to do.
 */
export function checkTun(): void {
  const path = "/dev/net/tun";
  const fd = sys("openat", AT_FDCWD, path, O_RDWR | O_CLOEXEC);
  if (fd >= 0) {
    sys("close", fd);
    return;
  }
  const what = fd === -ENOENT ? "modprobe tun" : "chmod 666 /dev/net/tun, as udev has it";
  throw new UserError(
    `Cannot connect the container: open ${path}: ${errnoText(-fd)} (as root: ${what}; or use ` +
      "--network host or --network none)",
    125,
  );
}

const processPath = (places: NetPlaces, id: string) => `${places.run}/user/${id}`;

/** The words of a program; `netns`, `ready` and `life` are descriptors it inherits. */
export function programWords(
  name: UserNetworkProgram["name"],
  { netns, ready, life }: { netns: number; ready: number; life: number },
): string[] {
  const { ip, prefix, gateway, nameserver, ifname } = USER_NETWORK;
  const path = `/proc/self/fd/${netns}`;
  if (name === "slirp4netns") {
    return [
      ...["--configure", "--mtu=65520", "--disable-host-loopback"],
      ...[`--ready-fd=${ready}`, `--exit-fd=${life}`, "--netns-type=path", path, ifname],
    ];
  }
  return [
    ...["--config-net", "--quiet", "--foreground", "--ipv4-only", "--no-map-gw", "--netns-only"],
    ...["-a", ip, "-n", String(prefix), "-g", gateway, "--ns-ifname", ifname],
    ...["--dns-forward", nameserver, "-t", "none", "-u", "none", "-T", "none", "-U", "none"],
    ...["--netns", path],
  ];
}

/** A program that carries a container's packets. */
export interface UserNetwork extends Disposable {
  /** To be held by the container's monitor: the program ends with its last copy. */
  readonly held: Fd;
}

/**
 * Starts the program for a sandbox and waits until the interface has its address. Its
 * process is noted for `endUserNetwork`. Throws UserError with what the program said.
 */
export async function startUserNetwork(
  places: NetPlaces,
  id: string,
  sandbox: Sandbox,
): Promise<UserNetwork> {
  const program = chooseProgram();
  checkTun();
  using undo = new DisposableStack();
  const life = pipe(), ready = pipe(), says = pipe();
  using theirs = new DisposableStack();
  for (const end of [life.read, ready.write, says.write]) theirs.use(end);
  const held = undo.use(life.write);
  using _ready = ready.read, said = says.read;
  const fds = { netns: sandbox.netns.raw, ready: ready.write.raw, life: life.read.raw };
  const words = programWords(program.name, fds);
  const pid = startInBackground([program.path, ...words], Object.values(fds), says.write);
  undo.defer(() => sys("kill", pid, SIGKILL));
  makeDirectories(`${places.run}/user`);
  writeAtomic(processPath(places, id), `${pid} ${startTimeOf(pid)}`);
  undo.defer(() => removeIfThere(processPath(places, id)));
  theirs.dispose();
  const isReady = program.name === "slirp4netns"
    ? readInto(ready.read, new Uint8Array(1)) === 1
    : await hasRoute(sandbox, pid);
  if (!isReady) {
    throw new UserError(`Cannot connect the container: ${program.name}: ${readSaid(said)}`, 125);
  }
  undo.move();
  return { held, [Symbol.dispose]: () => held[Symbol.dispose]() };
}

/** Ends the program of container `id`; fine when it has none. */
export function endUserNetwork(places: NetPlaces, id: string): void {
  const path = processPath(places, id);
  const [pid, startTime] = (readIfThere(path) ?? "").split(" ");
  if (startTime !== undefined && startTimeOf(Number(pid)) === startTime) {
    endProcess(Number(pid));
  }
  removeIfThere(path);
}

/** What a killed process may need until it is gone; far more than it does. */
const END_MS = 2000;

function endProcess(pid: number): void {
  const pidfd = sys("pidfd_open", pid, 0);
  if (pidfd < 0) return;
  using _pidfd = new Fd(pidfd);
  sys("pidfd_send_signal", pidfd, SIGKILL, null, 0);
  pollNow([{ fd: pidfd, events: POLLIN }], END_MS);
}

/** What pasta has no descriptor for: waits until it has set the route, or has ended. */
async function hasRoute({ netlink }: Sandbox, pid: number): Promise<boolean> {
  for (let pause = 1;; pause = Math.min(pause * 2, 20)) {
    if (netlink.routes().some(({ prefix }) => prefix === 0)) return true;
    if (!/^\d+ \(.*\) [^ZX]/.test(readIfThere(`/proc/${pid}/stat`) ?? "")) return false;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
