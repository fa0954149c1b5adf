/** Archives in the "newc" format that the kernel unpacks as its first root file system. cpio(5). */

/** One entry. Directories above an entry must come before it. */
export type CpioEntry =
  | { path: string; kind: "directory" }
  | { path: string; kind: "link"; target: string }
  | { path: string; kind: "file"; mode: number; bytes: Uint8Array };

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

function header(path: string, ino: number, mode: number, size: number): Uint8Array {
  const hex = (value: number) => value.toString(16).padStart(8, "0");
  const name = new TextEncoder().encode(`${path}\0`);
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const fields = [ino, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name.length, 0];
  const text = new TextEncoder().encode(`070701${fields.map(hex).join("")}`);
  const bytes = new Uint8Array(padded(text.length + name.length));
  bytes.set(text);
  bytes.set(name, text.length);
  return bytes;
}

const padded = (size: number) => (size + 3) & ~3;

/** The parts of an archive with `entries`, to be written one after the other. */
export function* cpioArchive(entries: Iterable<CpioEntry>): Generator<Uint8Array> {
  let ino = 1;
  for (const entry of entries) {
    const path = entry.path.replace(/^\/+/, "");
    switch (entry.kind) {
      case "directory":
        yield header(path, ino++, S_IFDIR | 0o755, 0);
        break;
      case "link": {
        const target = new TextEncoder().encode(entry.target);
        yield header(path, ino++, S_IFLNK | 0o777, target.length);
        yield* paddedBytes(target);
        break;
      }
      case "file":
        yield header(path, ino++, S_IFREG | entry.mode, entry.bytes.length);
        yield* paddedBytes(entry.bytes);
        break;
    }
  }
  yield header("TRAILER!!!", 0, 0, 0);
}

function* paddedBytes(bytes: Uint8Array): Generator<Uint8Array> {
  yield bytes;
  if (padded(bytes.length) > bytes.length) {
    yield new Uint8Array(padded(bytes.length) - bytes.length);
  }
}
