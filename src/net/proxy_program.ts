/**
 * The proxy of a published port as a syscall program: a static executable of a few pages, where
 * docker has a process of 4 MB. It ends with its container, of which it watches a descriptor:
 * the reading end of a pipe whose writing end the monitor holds, or a pidfd. Pure.
 */
import {
  F_SETPIPE_SZ,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  MSG_DONTWAIT,
  POLLIN,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SIGCHLD,
  SIGKILL,
  SIGPIPE,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
} from "../../ffi/constants.ts";
import { addressFamily } from "../../ffi/inet.ts";
import {
  addressIn,
  assign,
  type Block,
  block,
  goTo,
  type Place,
  placeIn,
  type Program,
  slot,
  type Step,
  type Target,
} from "../../ffi/program.ts";
import { cloneArgs } from "../../ffi/spawn.ts";
import { versionOf } from "./address.ts";
import { socketAddress } from "./ports.ts";

/** One published port, forwarded by one process. */
export interface ProxyPlan {
  /** Readable or hung up when the container is gone. */
  readonly life: number;
  /** The listening (TCP) or bound (UDP) socket; non-blocking. */
  readonly listener: number;
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerIp: string;
  readonly containerPort: number;
}

const PIPE_BYTES = 1 << 20;
const DATAGRAM_BYTES = 65536;
/** As long as docker's: a client that was silent for so long has to be met anew. */
const UDP_IDLE_SECONDS = 90;

const domain = (ip: string) => addressFamily(versionOf(ip));

/** struct pollfd of each descriptor. */
function pollBlock(name: string, fds: readonly number[]): Block {
  const bytes = new Uint8Array(fds.length * 8);
  const view = new DataView(bytes.buffer);
  fds.forEach((fd, i) => {
    view.setInt32(i * 8, fd, true);
    view.setInt16(i * 8 + 4, POLLIN, true);
  });
  return block(name, bytes);
}

/** Goes on whatever the result is. */
const ANYWAY = { onNegative: "next", onZero: "next", onPositive: "next" } as const;

/** SIG_IGN: children need no reaping, a broken connection is an error and no signal. */
function ignore(signal: number): Step {
  const action = new Uint8Array(32);
  action[0] = 1;
  return {
    call: "rt_sigaction",
    args: [signal, addressIn(block(`ignore ${signal}`, action)), null, 8],
    goal: "ignore a signal",
    ...ANYWAY,
  };
}

/** Splits off a process that goes to `child`; if there can be none, on to `failed`. */
function fork(child: Target, failed: Target): Step {
  const args = cloneArgs({ flags: 0n, exitSignal: SIGCHLD });
  return {
    call: "clone3",
    args: [addressIn(args), args.bytes.length],
    goal: "start a process for a client",
    onZero: child,
    onNegative: failed,
    onPositive: "next",
  };
}

/** Waits for a client (goes on below) or for the end of the container (ends the program). */
function waitSteps(plan: ProxyPlan): Step[] {
  const polled = pollBlock("descriptors", [plan.life, plan.listener]);
  const idle = (BigInt(POLLIN) << 32n) | BigInt(plan.life);
  return [
    ignore(SIGCHLD),
    ignore(SIGPIPE),
    {
      call: "ppoll",
      args: [addressIn(polled), 2, null, null, 0],
      goal: "wait for a client",
      label: "wait",
      onNegative: "@wait",
    },
    // The word of the first pollfd differs from what was asked once it has events.
    {
      call: "subtract",
      args: [placeIn(polled, 0), idle],
      goal: "see whether the container is gone",
      onZero: "@take",
      onNegative: "next",
      onPositive: "next",
    },
    // The whole group: the processes of the clients as well.
    { call: "kill", args: [0, SIGKILL], goal: "end", ...ANYWAY },
  ];
}

function close(fd: Place | number): Step {
  return { call: "close", args: [fd], goal: "close a socket", ...ANYWAY };
}

function exit(label?: string): Step {
  return { call: "exit_group", args: [0], goal: "end", label };
}

/** Opens a socket to the container; `failed` if the container does not take it. */
function backendSteps(plan: ProxyPlan, type: number, backend: Place, failed: Target): Step[] {
  const address = block("container", socketAddress(plan.containerIp, plan.containerPort));
  return [
    {
      call: "socket",
      args: [domain(plan.containerIp), type, 0],
      goal: "make a socket",
      result: backend,
      onNegative: failed,
    },
    {
      call: "connect",
      args: [backend, addressIn(address), address.bytes.length],
      goal: "reach the container",
      onNegative: failed,
    },
  ];
}

/** Moves bytes from one socket to the other, through a pipe and so without copies, until the end. */
function copySteps(name: string, from: Place, to: Place): Step[] {
  // Two int in one word: reading a word there gives the first in the half that the kernel takes.
  const pair = block(`${name} pipe`, new Uint8Array(16));
  const [reading, writing] = [placeIn(pair, 0), placeIn(pair, 4)];
  const left = slot(`${name} left`);
  return [
    {
      call: "pipe2",
      args: [addressIn(pair), 0],
      goal: "make a pipe",
      label: name,
      onNegative: `@${name}Broken`,
    },
    { call: "fcntl", args: [writing, F_SETPIPE_SZ, PIPE_BYTES], goal: "widen a pipe", ...ANYWAY },
    {
      call: "splice",
      args: [from, null, writing, null, PIPE_BYTES, 0],
      goal: "take bytes",
      label: `${name}Take`,
      result: left,
      onNegative: `@${name}Ended`,
      onZero: `@${name}Ended`,
    },
    {
      call: "splice",
      args: [reading, null, to, null, left, 0],
      goal: "give bytes",
      label: `${name}Give`,
      result: slot(`${name} given`),
      onNegative: `@${name}Broken`,
      onZero: `@${name}Broken`,
    },
  ];
}

function copyRest(name: string, from: Place, to: Place, steps: Step[]): Step[] {
  const given = steps[steps.length - 1].result!;
  const left = steps[steps.length - 2].result!;
  return [
    ...steps,
    {
      call: "subtract",
      args: [left, given],
      goal: "see what is left",
      result: left,
      onZero: `@${name}Take`,
      onPositive: `@${name}Give`,
      onNegative: `@${name}Take`,
    },
    // The sender is done: so are we towards the receiver, which may still answer.
    {
      call: "shutdown",
      args: [to, SHUT_WR],
      goal: "pass the end on",
      label: `${name}Ended`,
      ...ANYWAY,
    },
    exit(),
    // The receiver is gone: the sender hears of it at once.
    {
      call: "shutdown",
      args: [from, SHUT_RD],
      goal: "pass the break on",
      label: `${name}Broken`,
      ...ANYWAY,
    },
    { call: "shutdown", args: [to, SHUT_RDWR], goal: "pass the break on", ...ANYWAY },
    exit(),
  ];
}

const copy = (name: string, from: Place, to: Place) =>
  copyRest(name, from, to, copySteps(name, from, to));

/** Two processes for each client, one a direction. */
export function tcpProxyProgram(plan: ProxyPlan): Program {
  const client = slot("client", -1);
  const backend = slot("backend", -1);
  return {
    steps: [
      ...waitSteps(plan),
      {
        call: "accept4",
        args: [plan.listener, null, null, 0],
        goal: "take a client",
        label: "take",
        result: client,
        onNegative: "@wait",
      },
      fork("@serve", "@leave"),
      { ...close(client), label: "leave" },
      goTo("@wait"),
      { ...close(plan.listener), label: "serve" },
      ...backendSteps(plan, SOCK_STREAM, backend, "@refused"),
      fork("@up", "@refused"),
      ...copy("down", backend, client),
      ...copy("up", client, backend),
      exit("refused"),
    ],
  };
}

/**
 * One process for each client, with a socket that is bound to the published port and connected
 * to the client: the kernel gives it that client's datagrams, the others come to the listener.
 */
export function udpProxyProgram(plan: ProxyPlan): Program {
  const buffer = block("datagram", new Uint8Array(DATAGRAM_BYTES));
  const length = slot("datagram length");
  const client = block("client", new Uint8Array(32));
  const clientLength = slot("client length");
  const [front, backend] = [slot("front", -1), slot("backend", -1)];
  const data = addressIn(buffer);
  return {
    steps: [
      ...waitSteps(plan),
      { ...assign(clientLength, 28), label: "take" },
      {
        call: "recvfrom",
        args: [
          plan.listener,
          data,
          DATAGRAM_BYTES,
          MSG_DONTWAIT,
          addressIn(client),
          addressIn(clientLength),
        ],
        goal: "take a datagram",
        result: length,
        onNegative: "@wait",
      },
      fork("@serve", "@wait"),
      goTo("@wait"),
      ...frontSteps(plan, front),
      {
        call: "connect",
        args: [front, addressIn(client), clientLength],
        goal: "turn to the client",
        onNegative: "@refused",
      },
      { ...close(plan.listener) },
      ...backendSteps(plan, SOCK_DGRAM, backend, "@refused"),
      send(backend, data, length),
      ...exchangeSteps(front, backend, data, length),
      exit("refused"),
    ],
  };
}

/** One more socket of the published port, for one client. */
function frontSteps(plan: ProxyPlan, front: Place): Step[] {
  const local = block("host", socketAddress(plan.hostIp, plan.hostPort));
  const one = block("one", new Uint8Array([1, 0, 0, 0]));
  const option = (level: number, name: number, goal: string): Step => ({
    call: "setsockopt",
    args: [front, level, name, addressIn(one), 4],
    goal,
    ...ANYWAY,
  });
  return [
    {
      call: "socket",
      args: [domain(plan.hostIp), SOCK_DGRAM, 0],
      goal: "make a socket",
      label: "serve",
      result: front,
      onNegative: "@refused",
    },
    option(SOL_SOCKET, SO_REUSEADDR, "share the port"),
    // As the listener, or the port would count as taken by the one that holds it for IPv4.
    ...(versionOf(plan.hostIp) === 6
      ? [option(IPPROTO_IPV6, IPV6_V6ONLY, "leave IPv4 alone")]
      : []),
    {
      call: "bind",
      args: [front, addressIn(local), local.bytes.length],
      goal: "share the port",
      onNegative: "@refused",
    },
  ];
}

function send(to: Place, data: ReturnType<typeof addressIn>, length: Place): Step {
  return {
    call: "sendto",
    args: [to, data, length, 0, null, 0],
    goal: "pass a datagram on",
    ...ANYWAY,
  };
}

function receive(from: Place, data: Step["args"][number], length: Place, none: Target): Step {
  return {
    call: "recvfrom",
    args: [from, data, DATAGRAM_BYTES, MSG_DONTWAIT, null, null],
    goal: "take a datagram",
    result: length,
    onNegative: none,
  };
}

/** Passes datagrams both ways until there was none for a while. */
function exchangeSteps(
  front: Place,
  backend: Place,
  data: ReturnType<typeof addressIn>,
  length: Place,
): Step[] {
  const polled = block("both sockets", new Uint8Array(16));
  const patience = block("patience", new Uint8Array(16));
  return [
    // A pollfd is a descriptor and, in the upper half of the word, what is asked of it.
    assign(placeIn(polled, 0), front),
    pollRequest(polled, 0),
    assign(placeIn(polled, 8), backend),
    pollRequest(polled, 8),
    { ...assign(placeIn(patience, 0), UDP_IDLE_SECONDS), label: "exchange" }, // the kernel counts it down
    assign(placeIn(patience, 8), 0),
    {
      call: "ppoll",
      args: [addressIn(polled), 2, addressIn(patience), null, 0],
      goal: "wait for datagrams",
      onNegative: "@refused",
      onZero: "@refused",
    },
    receive(front, data, length, "@answer"),
    send(backend, data, length),
    { ...receive(backend, data, length, "@exchange"), label: "answer" },
    send(front, data, length),
    goTo("@exchange"),
  ];
}

/** Adds "readable" to the request of the pollfd at `offset`. */
function pollRequest(polled: Block, offset: number): Step {
  const place = placeIn(polled, offset);
  return {
    call: "subtract",
    args: [place, -(BigInt(POLLIN) << 32n)],
    goal: "ask for datagrams",
    result: place,
    ...ANYWAY,
  };
}
