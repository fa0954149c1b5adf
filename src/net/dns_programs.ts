/**
 * The programs of the names in the kernel. All containers of an engine share one load of them and
 * their maps. The first container brings them (`dns_load.ts`); a network's bridge holds them, and
 * so does each container's namespace. Their numbers are in a file; nothing is pinned.
 */
import { type BpfInfo, bpfInfo, type BpfKind, openBpf } from "../../ffi/bpf.ts";
import type { Fd } from "../../ffi/fd.ts";
import { readIfThere, writeAtomic } from "../base/files.ts";
import { locked } from "./lock.ts";
import type { NetPlaces } from "./places.ts";

/**
 * Is another with each change of programs or maps: what an older engine has loaded is left to the
 * containers that have it. A test compares it with the programs.
 */
export const EDITION = 1;
const KINDS = {
  names: "map",
  containers: "map",
  question: "program",
  reply: "program",
} as const satisfies Record<string, BpfKind>;
export type DnsPart = keyof typeof KINDS;
const PARTS = Object.keys(KINDS) as DnsPart[];

/** Descriptors of what is in the kernel. */
export class DnsPrograms implements Disposable {
  /** `isNew`: nobody holds them yet but this process. */
  constructor(private readonly parts: Readonly<Record<DnsPart, Fd>>, readonly isNew: boolean) {}
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

const programsPath = (places: NetPlaces) => `${places.run}/dns-${EDITION}.json`;

/** What other engines' are not called; the kernel takes 15 bytes. */
const nameOf = (places: NetPlaces, part: string) => `dd${places.tag}_${part}`.slice(0, 15);

/** What an earlier container brought; undefined if there is none any more. */
export function openDns(places: NetPlaces): DnsPrograms | undefined {
  const text = readIfThere(programsPath(places));
  if (text === undefined) return undefined;
  using undo = new DisposableStack();
  const found: Partial<Record<DnsPart, Fd>> = {};
  const ids = idsIn(text);
  for (const part of PARTS) {
    const object = openBpf(KINDS[part], { id: ids[part] ?? 0, name: nameOf(places, part) });
    if (object === undefined) return undefined;
    found[part] = undo.use(object);
  }
  undo.move();
  return new DnsPrograms(found as Record<DnsPart, Fd>, false);
}

function idsIn(text: string): Partial<Record<DnsPart, number>> {
  try {
    return JSON.parse(text);
  } catch {
    return {}; // torn by a power cut, and then nothing of it is there
  }
}

/** The same, brought if need be. Throws SyscallError where the kernel takes no such programs. */
export async function ensureDns(places: NetPlaces): Promise<DnsPrograms> {
  return openDns(places) ?? await locked(
    places,
    () => openDns(places) ?? loadDns(places),
  );
}

async function loadDns(places: NetPlaces): Promise<DnsPrograms> {
  const { loadPrograms } = await import("./dns_load.ts");
  using undo = new DisposableStack();
  const programs = undo.use(loadPrograms((part) => nameOf(places, part)));
  const ids: Partial<Record<DnsPart, BpfInfo["id"]>> = {};
  for (const part of PARTS) ids[part] = bpfInfo(KINDS[part], programs[part]).id;
  writeAtomic(programsPath(places), JSON.stringify(ids));
  undo.move();
  return programs;
}
