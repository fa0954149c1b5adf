/** Where an archive that a build makes goes: a file that is whole or not there, or standard output. */
import { UserError } from "../base/errors.ts";
import { writeAll } from "../image/blobs.ts";
import { writeWhole } from "../image/whole_file.ts";

/** Takes a piece of an archive, which is valid during the call. */
export type Write = (chunk: Uint8Array<ArrayBuffer>) => void;

/** Writes what `make` gives to `dest`; "-": standard output, unless that is a terminal. */
export async function writeArchiveFile(
  type: "tar" | "docker" | "oci",
  dest: string,
  make: (write: Write) => Promise<void>,
): Promise<void> {
  if (dest !== "-") return await writeWhole(dest, make);
  if (Deno.stdout.isTerminal()) {
    throw new UserError(
      `dest file is required for ${type} exporter. refusing to write to console`,
    );
  }
  using file = Deno.openSync("/proc/self/fd/1", { write: true });
  await make((chunk) => writeAll(file, chunk, "standard output"));
}
