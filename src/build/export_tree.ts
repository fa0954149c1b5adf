/** `--output type=local` and `type=tar`: the files of the target instead of an image. */
import { openDirectory } from "../../ffi/fd.ts";
import { ArchiveSink } from "../engine/copy_sinks.ts";
import { TreeWriter } from "../engine/tree_writer.ts";
import type { Session } from "../image/session.ts";
import type { TarSink } from "../image/tar.ts";
import { writeArchiveFile } from "./archive_file.ts";
import { openSource, readSource } from "./source_tree.ts";
import { type StageState, unpackedLayers } from "./stage_state.ts";

/** Writes all files of a stage. Throws UserError. */
export async function exportTree(
  session: Session,
  state: StageState,
  { type, dest }: { readonly type: "local" | "tar"; readonly dest: string },
): Promise<void> {
  const layers = await unpackedLayers(session, state);
  if (type === "local") {
    Deno.mkdirSync(dest, { recursive: true });
    using directory = openDirectory(dest);
    using writer = new TreeWriter(directory, "", { owners: false, shownAs: dest });
    read(layers, writer);
    return writer.finish();
  }
  await writeArchiveFile(type, dest, (write) => {
    const archive = new ArchiveSink(write);
    read(layers, archive);
    archive.finish();
    return Promise.resolve();
  });
}

/** Everything but the root itself, which is the user's directory. */
function read(layers: readonly string[], sink: TarSink): void {
  if (layers.length === 0) return;
  const tree = { layers };
  using root = openSource(tree, "")!;
  let skips = false;
  readSource(tree, root, "", {
    entry(entry) {
      skips = entry.path === "/";
      if (!skips) sink.entry(entry);
    },
    data: (chunk) => sink.data(chunk),
    end() {
      if (!skips) sink.end();
    },
  });
}
