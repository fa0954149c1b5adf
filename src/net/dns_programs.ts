/**
 * The programs of the names in the kernel. All containers of an engine share one load of them and
 * their maps: the first container brings them, and with the last one's namespace they go. Their
 * numbers are in a file; nothing is pinned.
 */
import {
  type BpfInfo,
  bpfInfo,
  type BpfInsn,
  type BpfKind,
  loadProgram,
  openBpf,
} from "../../ffi/bpf.ts";
import {
  BPF_F_NO_PREALLOC,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LRU_HASH,
  createMap,
} from "../../ffi/bpf_maps.ts";
import { ticksPerSecond } from "../../ffi/clock.ts";
import type { Fd } from "../../ffi/fd.ts";
import { readIfThere, writeAtomic } from "../base/files.ts";
import { replyProgram } from "./dns_forward_code.ts";
import { CONTAINER_VALUE, FLOW, FLOW_KEY, NAME_KEY, NAME_VALUE } from "./dns_packet.ts";
import { questionProgram } from "./dns_question_program.ts";
import { locked } from "./lock.ts";
import type { NetPlaces } from "./places.ts";

/** Is another with each change of the maps: what an older engine has loaded is left alone. */
const LAYOUT = 1;
const BPF_PROG_TYPE_SCHED_CLS = 3;
const GOAL = "load the programs that answer containers' DNS questions";

/** The key of the map of containers is a number of 8 bytes, as it lies on the program's stack. */
export const NUMBER_BYTES = 8;
/** About a thousand containers; a map takes memory for what is in it, and 16 bytes a place. */
const MOST_NAMES = 8192, MOST_CONTAINERS = 4096;
/** Questions under way, of all containers: the oldest make room. */
const MOST_FLOWS = 1024;

const KINDS = {
  names: "map",
  containers: "map",
  question: "program",
  reply: "program",
} as const satisfies Record<string, BpfKind>;
type Part = keyof typeof KINDS;
const PARTS = Object.keys(KINDS) as Part[];

/** Descriptors of what is in the kernel. */
export class DnsPrograms implements Disposable {
  constructor(private readonly parts: Readonly<Record<Part, Fd>>) {}
  get names(): Fd {
    return this.parts.names;
  }
  get containers(): Fd {
    return this.parts.containers;
  }
  get question(): Fd {
    return this.parts.question;
  }
  get reply(): Fd {
    return this.parts.reply;
  }
  [Symbol.dispose](): void {
    for (const part of PARTS) this.parts[part][Symbol.dispose]();
  }
}

const programsPath = (places: NetPlaces) => `${places.run}/dns-${LAYOUT}.json`;

/** What other engines' are not called; the kernel takes 15 bytes. */
const nameOf = (places: NetPlaces, part: string) => `dd${places.tag}_${part}`.slice(0, 15);

/** What an earlier container brought; undefined if there is none any more. */
export function openDns(places: NetPlaces): DnsPrograms | undefined {
  const text = readIfThere(programsPath(places));
  if (text === undefined) return undefined;
  using undo = new DisposableStack();
  const found: Partial<Record<Part, Fd>> = {};
  const ids = idsIn(text);
  for (const part of PARTS) {
    const object = openBpf(KINDS[part], { id: ids[part] ?? 0, name: nameOf(places, part) });
    if (object === undefined) return undefined;
    found[part] = undo.use(object);
  }
  undo.move();
  return new DnsPrograms(found as Record<Part, Fd>);
}

function idsIn(text: string): Partial<Record<Part, number>> {
  try {
    return JSON.parse(text);
  } catch {
    return {}; // torn by a power cut, and then nothing of it is there
  }
}

/** The same, brought if need be. Throws SyscallError where the kernel takes no such programs. */
export async function ensureDns(places: NetPlaces): Promise<DnsPrograms> {
  return openDns(places) ?? await locked(places, () => openDns(places) ?? loadDns(places));
}

function loadDns(places: NetPlaces): DnsPrograms {
  using undo = new DisposableStack();
  const programs = undo.use(loadPrograms((part) => nameOf(places, part)));
  const ids: Partial<Record<Part, BpfInfo["id"]>> = {};
  for (const part of PARTS) ids[part] = bpfInfo(KINDS[part], programs[part]).id;
  writeAtomic(programsPath(places), JSON.stringify(ids));
  undo.move();
  return programs;
}

/** Loads the programs with empty maps. Throws SyscallError. */
export function loadPrograms(name: (part: string) => string): DnsPrograms {
  using undo = new DisposableStack();
  const names = undo.use(createMap(GOAL, {
    type: BPF_MAP_TYPE_HASH,
    keyBytes: NAME_KEY.bytes,
    valueBytes: NAME_VALUE.bytes,
    maxEntries: MOST_NAMES,
    flags: BPF_F_NO_PREALLOC,
    name: name("names"),
  }));
  const containers = undo.use(createMap(GOAL, {
    type: BPF_MAP_TYPE_HASH,
    keyBytes: NUMBER_BYTES,
    valueBytes: CONTAINER_VALUE.bytes,
    maxEntries: MOST_CONTAINERS,
    flags: BPF_F_NO_PREALLOC,
    name: name("containers"),
  }));
  using flows = createMap(GOAL, {
    type: BPF_MAP_TYPE_LRU_HASH,
    keyBytes: FLOW_KEY.bytes,
    valueBytes: FLOW.bytes,
    maxEntries: MOST_FLOWS,
    name: name("flows"),
  });
  const maps = { names: names.raw, containers: containers.raw, flows: flows.raw };
  const load = (part: Part, code: readonly BpfInsn[]) =>
    undo.use(loadProgram(GOAL, BPF_PROG_TYPE_SCHED_CLS, code, { name: name(part) }));
  const question = load("question", questionProgram(maps, ticksPerSecond()));
  const reply = load("reply", replyProgram(maps));
  undo.move();
  return new DnsPrograms({ names, containers, question, reply });
}
