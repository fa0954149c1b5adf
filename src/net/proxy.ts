/** Starting proxies for published ports, where no firewall can translate or the user wants none. */
import {
  AT_EMPTY_PATH,
  CLONE_NEWNET,
  CLOSE_RANGE_CLOEXEC,
  F_GETFL,
  F_SETFD,
  F_SETFL,
  O_NONBLOCK,
  POLLIN,
  SIGKILL,
  SO_REUSEADDR,
  SOL_SOCKET,
} from "../../ffi/constants.ts";
import { executable } from "../../ffi/elf.ts";
import { Fd, pipe, sealedMemfd } from "../../ffi/fd.ts";
import { check, sys } from "../../ffi/libc.ts";
import { pollNow } from "../../ffi/poll.ts";
import { type Step, stringArray } from "../../ffi/program.ts";
import { restoreSignals, spawn } from "../../ffi/spawn.ts";
import { UserError } from "../base/errors.ts";
import { startTimeOf } from "./owner.ts";
import type { HeldPorts, HostPort, PublishedPort } from "./ports.ts";
import { type ProxyPlan, tcpProxyProgram, udpProxyProgram } from "./proxy_program.ts";
import type { ProxyProcess } from "./state.ts";

/**
 * Executes a program, with these descriptors and no others, in a session of its own; in the network
 * namespace `netns` where one is given.
 */
function startProgram(
  bytes: Uint8Array<ArrayBuffer>,
  fds: readonly number[],
  argv: string[],
  netns: Fd | undefined,
) {
  using file = sealedMemfd("proxy", bytes);
  const goal = "enter the container's network namespace";
  const steps: Step[] = [
    ...(netns ? [{ call: "setns", args: [netns.raw, CLONE_NEWNET], goal } satisfies Step] : []),
    { call: "setsid", args: [], goal: "leave the terminal" },
    { call: "chdir", args: ["/"], goal: "leave the directory" },
    {
      call: "close_range",
      args: [0, 0xffff_ffff, CLOSE_RANGE_CLOEXEC],
      goal: "keep descriptors from the proxy",
    },
    ...fds.map((fd): Step => ({
      call: "fcntl",
      args: [fd, F_SETFD, 0],
      goal: "give a descriptor to the proxy",
    })),
    ...restoreSignals(),
    {
      call: "execveat",
      args: [file.raw, "", stringArray("argv", argv), stringArray("envp", []), AT_EMPTY_PATH],
      goal: "start the proxy",
    },
  ];
  const child = spawn(steps, { outlives: true });
  using _pidfd = child.pidfd;
  return child.pid;
}

/** Starts the process for one port, whose socket `listener` is. */
function startProxy(port: PublishedPort, listener: Fd, life: Fd, netns?: Fd): ProxyProcess {
  const plan: ProxyPlan = { ...port, life: life.raw, listener: listener.raw };
  const flags = check("look at a socket", "fcntl", listener.raw, F_GETFL, 0);
  check("make a socket non-blocking", "fcntl", listener.raw, F_SETFL, flags | O_NONBLOCK);
  const one = new Uint8Array([1, 0, 0, 0]);
  sys("setsockopt", listener.raw, SOL_SOCKET, SO_REUSEADDR, one, 4);
  const program = port.protocol === "udp" ? udpProxyProgram(plan) : tcpProxyProgram(plan);
  const name = `${port.hostIp}:${port.hostPort}->${port.containerIp}:${port.containerPort}`;
  const pid = startProgram(executable(program).bytes, [life.raw, listener.raw], [
    "diplodock-proxy",
    `${name}/${port.protocol}`,
  ], netns);
  const { protocol, hostIp, hostPort } = port;
  return { pid, startTime: startTimeOf(pid) ?? "0", protocol, hostIp, hostPort };
}

/** Does this proxy forward this port? */
export function serves(proxy: ProxyProcess, port: HostPort): boolean {
  return proxy.protocol === port.protocol && proxy.hostIp === port.hostIp &&
    proxy.hostPort === port.hostPort;
}

/** What a killed process may need until its sockets are closed; far more than it does. */
const END_MS = 2000;

/**
 * Ends a proxy and the processes of its clients, unless its number means another by now. On
 * return it listens no more.
 */
export function endProxy(proxy: ProxyProcess): void {
  const pidfd = sys("pidfd_open", proxy.pid, 0);
  if (pidfd < 0) return; // ended
  using _pidfd = new Fd(pidfd);
  if (startTimeOf(proxy.pid) !== proxy.startTime) return;
  // It leads a group of its own; while the pidfd is open and alive the number stays its own.
  sys("kill", -proxy.pid, SIGKILL);
  pollNow([{ fd: pidfd, events: POLLIN }], END_MS);
}

/** Refuses what a proxy cannot forward. */
function checkProtocol(protocol: string): void {
  if (protocol !== "sctp") return;
  throw new UserError(
    "Cannot publish an sctp port by the userland proxy: it forwards tcp and udp",
    125,
  );
}

/**
 * Does a published port need a proxy? IPv6 ones do: the kernel translates nothing that comes from
 * ::1, and an IPv4 container has no other way to IPv6 clients. Only sctp, which no proxy forwards,
 * has to do with rules.
 */
export function needsProxy(port: PublishedPort, all: boolean): boolean {
  const byRules = port.protocol === "sctp" && port.containerIp.includes(":");
  return all || (port.hostIp.includes(":") && !byRules);
}

function startAll(
  held: HeldPorts,
  ports: readonly PublishedPort[],
  wanted: (port: PublishedPort) => boolean,
  life: Fd,
  netns?: Fd,
): ProxyProcess[] {
  const started: ProxyProcess[] = [];
  held.entries = held.entries.filter(({ socket }, i) => {
    if (!wanted(ports[i])) return true;
    checkProtocol(ports[i].protocol);
    if (socket === undefined) return true;
    started.push(startProxy(ports[i], socket, life, netns));
    socket[Symbol.dispose](); // the proxy has it now
    return false;
  });
  return started;
}

/**
 * Starts a process for each held port that needs one (`all`: for every port) and hands the
 * sockets over. They live until the last copy of `held.life` is closed, with the monitor. With
 * `netns` they reach the container from inside, while their sockets stay the host's.
 */
export function startProxies(
  held: HeldPorts,
  ports: readonly PublishedPort[],
  all: boolean,
  netns?: Fd,
): ProxyProcess[] {
  const { read, write } = pipe();
  using _read = read;
  held.life = write;
  return startAll(held, ports, (port) => needsProxy(port, all), read, netns);
}

/**
 * The same for a container that runs: the proxies live as long as its first process. Each port
 * gets one, even where rules lead to it: no other process is there to hold the port.
 */
export function startProxiesFor(
  pid: number,
  held: HeldPorts,
  ports: readonly PublishedPort[],
  all: boolean,
): ProxyProcess[] {
  using life = new Fd(check("watch the container", "pidfd_open", pid, 0));
  const wanted = (port: PublishedPort) => port.protocol !== "sctp" || needsProxy(port, all);
  return startAll(held, ports, wanted, life);
}
