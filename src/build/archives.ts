/** Archives that a build is given: as its context, and for ADD. */
import { UserError } from "../base/errors.ts";
import { TarError, TarReader, type TarSink } from "../image/tar.ts";
import { BLOCK, parseHeader } from "../image/tar_header.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Whether bytes begin as an archive does. */
export function isArchive(head: Uint8Array): boolean {
  if (head.length < BLOCK) return false;
  try {
    parseHeader(head.subarray(0, BLOCK));
    return true;
  } catch (error) {
    if (error instanceof TarError) return false;
    throw error;
  }
}

/** The first bytes of a stream, as many as asked for if there are. */
export async function atLeast(source: AsyncIterator<Bytes>, count: number): Promise<Bytes> {
  let head: Bytes = new Uint8Array(0);
  while (head.length < count) {
    const next = await source.next();
    if (next.done) break;
    const joined: Bytes = new Uint8Array(head.length + next.value.length);
    joined.set(head);
    joined.set(next.value, head.length);
    head = joined;
  }
  return head;
}

/** Reads an archive into `sink`. Throws UserError. */
export async function unpackInto(chunks: AsyncIterable<Bytes>, sink: TarSink): Promise<void> {
  const reader = new TarReader(sink);
  try {
    for await (const chunk of chunks) reader.push(chunk);
    reader.finish();
  } catch (error) {
    if (error instanceof TarError) throw new UserError(error.message);
    throw error;
  }
}
