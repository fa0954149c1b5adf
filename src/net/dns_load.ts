/** Brings the programs of the names into the kernel; for the first container, and for trials. */
import { type BpfInsn, loadProgram } from "../../ffi/bpf.ts";
import {
  BPF_F_NO_PREALLOC,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LRU_HASH,
  createMap,
} from "../../ffi/bpf_maps.ts";
import { ticksPerSecond } from "../../ffi/clock.ts";
import { replyProgram } from "./dns_forward_code.ts";
import {
  CONTAINER_VALUE,
  FLOW,
  FLOW_KEY,
  NAME_KEY,
  NAME_VALUE,
  NUMBER_BYTES,
} from "./dns_layout.ts";
import { type DnsPart, DnsPrograms } from "./dns_programs.ts";
import { questionProgram } from "./dns_question_program.ts";

const BPF_PROG_TYPE_SCHED_CLS = 3;
const GOAL = "load the programs that answer containers' DNS questions";
/** About a thousand containers; a map takes memory for what is in it, and 16 bytes a place. */
const MOST_NAMES = 8192, MOST_CONTAINERS = 4096;
/** Questions under way, of all containers: the oldest make room. */
const MOST_FLOWS = 1024;

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
  const load = (part: DnsPart, code: readonly BpfInsn[]) =>
    undo.use(loadProgram(GOAL, BPF_PROG_TYPE_SCHED_CLS, code, { name: name(part) }));
  const question = load("question", questionProgram(maps, ticksPerSecond()));
  const reply = load("reply", replyProgram(maps));
  undo.move();
  return new DnsPrograms({ names, containers, question, reply }, true);
}
