/**
 * A container's network namespace from outside: its descriptor and a netlink socket inside it.
 * Both are opened by a child that shares our descriptor table and lives for some 100 µs, so no
 * second process takes part in configuring a container's side.
 */
import {
  AF_NETLINK,
  CLONE_FILES,
  CLONE_NEWNET,
  CLONE_NEWUSER,
  O_CLOEXEC,
  O_RDONLY,
} from "../../ffi/constants.ts";
import { Fd, openAt } from "../../ffi/fd.ts";
import { Netlink, NETLINK_ROUTE, SOCK_RAW_CLOEXEC } from "../../ffi/netlink.ts";
import { type Exchange, exchange } from "../../ffi/netlink_steps.ts";
import { slot, type Step } from "../../ffi/program.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { linkUp } from "../../ffi/rtnetlink.ts";
import { openedBy, reap, spawn, spawnAside } from "../../ffi/spawn.ts";

/** A network namespace and a socket that speaks for it. Disposing closes both. */
export class Sandbox implements Disposable {
  constructor(readonly netns: Fd, readonly netlink: Netlink) {}
  [Symbol.dispose](): void {
    this.netlink[Symbol.dispose]();
    this.netns[Symbol.dispose]();
  }
}

/** Opens a netlink socket, leaving its number in `socket`. */
function socketStep(socket: ReturnType<typeof slot>): Step {
  return {
    call: "socket",
    args: [AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE],
    goal: "talk to the kernel about a container's network",
    result: socket,
  };
}

/**
 * What the child does that makes a namespace; for `explain` as well. With a user namespace the
 * new one belongs to that: its root may then open low ports and mount /sys.
 */
export function sandboxSteps(
  netns: Step["result"],
  socket: ReturnType<typeof slot>,
  loopback: Exchange,
  userNamespace?: Fd,
): Step[] {
  const join: Step[] = userNamespace === undefined ? [] : [{
    call: "setns",
    args: [userNamespace.raw, CLONE_NEWUSER],
    goal: "enter the container's user namespace",
  }];
  return [
    ...join,
    { call: "unshare", args: [CLONE_NEWNET], goal: "make a network namespace" },
    {
      call: "openat",
      args: [AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC, 0],
      goal: "keep the network namespace",
      result: netns,
    },
    socketStep(socket),
    ...loopback.steps,
  ];
}

/** Takes the loopback interface up. */
export function loopbackUp(socket: ReturnType<typeof slot>): Exchange {
  return exchange(socket, [linkUp("lo")]);
}

/** A sandbox that the kernel is making: it takes a millisecond in which there is other work. */
export interface PendingSandbox extends Disposable {
  /** Waits for it, once. Throws SyscallError. */
  finish(): Sandbox;
}

/** Begins a network namespace whose loopback interface is up; it ends with its last holder. */
export function beginSandbox(userNamespace?: Fd): PendingSandbox {
  const netns = slot("network namespace", -1);
  const socket = slot("netlink socket", -1);
  const loopback = loopbackUp(socket);
  const aside = spawnAside(sandboxSteps(netns, socket, loopback, userNamespace), CLONE_FILES);
  return {
    finish() {
      const made = { ran: aside.finish() };
      using undo = new DisposableStack();
      const netlink = new Netlink(openedBy(made, socket));
      const sandbox = undo.use(new Sandbox(openedBy(made, netns), netlink));
      loopback.check(made.ran);
      undo.move();
      return sandbox;
    },
    [Symbol.dispose]: () => aside[Symbol.dispose](),
  };
}

/** The same, waited for. */
export function createSandbox(userNamespace?: Fd): Sandbox {
  return beginSandbox(userNamespace).finish();
}

/** The sandbox of a running process, e.g. of a container's init. */
export function joinSandbox(pid: number): Sandbox {
  return openSandbox(`/proc/${pid}/ns/net`);
}

/** The sandbox behind a namespace file (nsfs path or bind mount of one). */
function openSandbox(path: string): Sandbox {
  using undo = new DisposableStack();
  const netns = undo.use(openAt(null, path));
  const socket = slot("netlink socket", -1);
  const child = spawn([
    {
      call: "setns",
      args: [netns.raw, CLONE_NEWNET],
      goal: "enter a container's network namespace",
    },
    socketStep(socket),
  ], { flags: CLONE_FILES });
  reap(child);
  const netlink = new Netlink(openedBy(child, socket));
  undo.move();
  return new Sandbox(netns, netlink);
}
