/**
 * Maps of BPF: made, read and changed from outside. A map lives as long as a descriptor of it or a
 * program that uses it. linux/bpf.h (union bpf_attr).
 */
import { bpfName } from "./bpf.ts";
import { StructWriter } from "./bytes.ts";
import { EEXIST, ENOENT, SyscallError } from "./errno.ts";
import { Fd } from "./fd.ts";
import { addressOf, sys } from "./libc.ts";
import { withLockedMemory } from "./locked_memory.ts";

// enum bpf_cmd.
const BPF_MAP_CREATE = 0;
const BPF_MAP_LOOKUP_ELEM = 1;
const BPF_MAP_UPDATE_ELEM = 2;
const BPF_MAP_DELETE_ELEM = 3;
const BPF_MAP_LOOKUP_BATCH = 24;

// enum bpf_map_type.
export const BPF_MAP_TYPE_HASH = 1;
export const BPF_MAP_TYPE_LRU_HASH = 9;
/** Elements are made when they are needed. */
export const BPF_F_NO_PREALLOC = 1;
/** For an update: only if the key is new. */
const BPF_NOEXIST = 1;

const ATTR_BYTES = 128;
const NAME_AT = 28;

// What the kernel reads and writes by address: see `bpf.ts`.
let kept: Uint8Array[] = [];

/** What a map is. */
export interface MapShape {
  readonly type: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly maxEntries: number;
  readonly flags?: number;
  /** At most 15 bytes. */
  readonly name: string;
}

/** Makes a map. Throws SyscallError. */
export function createMap(goal: string, shape: MapShape): Fd {
  const attr = new StructWriter(ATTR_BYTES)
    .u32(shape.type).u32(shape.keyBytes).u32(shape.valueBytes).u32(shape.maxEntries)
    .u32(shape.flags ?? 0);
  attr.bytes.set(bpfName(shape.name), NAME_AT);
  const fd = withLockedMemory(() => sys("bpf", BPF_MAP_CREATE, attr.bytes, ATTR_BYTES));
  if (fd < 0) throw new SyscallError("bpf", -fd, goal);
  return new Fd(fd);
}

type Bytes = Uint8Array<ArrayBuffer>;

function elementCall(command: number, map: Fd, key: Bytes, value: Bytes, flags = 0): number {
  const attr = new StructWriter(ATTR_BYTES)
    .u32(map.raw).u32(0).u64(addressOf(key)).u64(addressOf(value)).u64(flags);
  kept = [key, value];
  const result = sys("bpf", command, attr.bytes, ATTR_BYTES);
  kept.length = 0;
  return result;
}

/** The value of `key`, of `valueBytes`; undefined if it has none. */
export function elementOf(map: Fd, key: Bytes, valueBytes: number): Bytes | undefined {
  const value = new Uint8Array(valueBytes);
  return elementCall(BPF_MAP_LOOKUP_ELEM, map, key, value) < 0 ? undefined : value;
}

/** Gives `key` this value. Throws SyscallError; E2BIG where the map is full. */
export function setElement(goal: string, map: Fd, key: Bytes, value: Bytes): void {
  const result = elementCall(BPF_MAP_UPDATE_ELEM, map, key, value);
  if (result < 0) throw new SyscallError("bpf", -result, goal);
}

/** Gives `key` this value if it has none; false if it has. Throws SyscallError. */
export function addElement(goal: string, map: Fd, key: Bytes, value: Bytes): boolean {
  const result = elementCall(BPF_MAP_UPDATE_ELEM, map, key, value, BPF_NOEXIST);
  if (result < 0 && result !== -EEXIST) throw new SyscallError("bpf", -result, goal);
  return result >= 0;
}

/** Takes `key` out; fine if it is not there. */
export function removeElement(map: Fd, key: Bytes): void {
  const attr = new StructWriter(ATTR_BYTES).u32(map.raw).u32(0).u64(addressOf(key));
  kept = [key];
  sys("bpf", BPF_MAP_DELETE_ELEM, attr.bytes, ATTR_BYTES);
  kept.length = 0;
}

/** Where the count and the descriptor are in the attributes of the calls for many elements. */
const BATCH_COUNT_AT = 32;

/** All elements of a hash map; a call reads `step` of them, or as many as share a place. */
export function elementsOf(
  map: Fd,
  { keyBytes, valueBytes }: Pick<MapShape, "keyBytes" | "valueBytes">,
  step = 64,
): [key: Bytes, value: Bytes][] {
  const found: [Bytes, Bytes][] = [];
  const keys = new Uint8Array(keyBytes * step);
  const values = new Uint8Array(valueBytes * step);
  const place = new Uint8Array(keyBytes);
  kept = [keys, values, place];
  for (let first = true;; first = false) {
    const attr = new StructWriter(ATTR_BYTES)
      .u64(first ? 0n : addressOf(place)).u64(addressOf(place))
      .u64(addressOf(keys)).u64(addressOf(values))
      .u32(step).u32(map.raw);
    const result = sys("bpf", BPF_MAP_LOOKUP_BATCH, attr.bytes, ATTR_BYTES);
    if (result < 0 && result !== -ENOENT) {
      throw new SyscallError("bpf", -result, "read a map of BPF");
    }
    const count = attr.view.getUint32(BATCH_COUNT_AT, true);
    for (let i = 0; i < count; i++) {
      found.push([
        keys.slice(i * keyBytes, (i + 1) * keyBytes),
        values.slice(i * valueBytes, (i + 1) * valueBytes),
      ]);
    }
    if (result < 0) break; // the last ones
  }
  kept.length = 0;
  return found;
}
