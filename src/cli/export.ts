import { UserError } from "../base/errors.ts";
import { containerDirectory } from "../base/places.ts";
import { readLayers } from "../engine/bundle_facts.ts";
import { readRecord, resolveContainer } from "../engine/containers.ts";
import type { ContainerRecord } from "../engine/types.ts";
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { type Fd, openAt } from "../../ffi/fd.ts";
import { detachedOverlay } from "../image/mount.ts";
import { packTree } from "../image/pack.ts";
import { isThere } from "../image/store.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon, imageStore } from "./image_context.ts";

export const spec = {
  name: "export",
  usage: "[OPTIONS] CONTAINER",
  summary: "Export a container's filesystem as a tar archive",
  aliases: ["container export", "export"],
  args: [1, 1],
  complete: ["container"],
  flags: {
    output: {
      type: "string",
      short: "o",
      help: "Write to a file, instead of STDOUT",
      complete: "file",
    },
  },
  examples: ["diplodock export web | gzip >web.tar.gz"],
} as const satisfies CommandSpec;

/** The container's files as it sees them, without what is mounted into it. */
function openRoot(record: ContainerRecord): Fd {
  const own = record.HostConfig.Diplodock;
  if (own?.RootfsDir !== undefined && own.RootfsOverlay !== true) {
    return openAt(null, own.RootfsDir, O_RDONLY | O_DIRECTORY);
  }
  const upper = `${containerDirectory(record.Id)}/upper`;
  const layers = [...(isThere(upper) ? [upper] : []), ...readLayers(record.Id)];
  return detachedOverlay(imageStore(), layers, `export container ${record.Name.slice(1)}`);
}

function exportTo(record: ContainerRecord, write: (chunk: Uint8Array) => void): void {
  using root = openRoot(record);
  // An O_PATH descriptor of a mount cannot be listed; its "." can.
  using top = openAt(root, ".", O_RDONLY | O_DIRECTORY);
  packTree(top.raw, { marks: "none" }, write);
}

/** A failed export leaves no half archive behind. */
function exportToFile(record: ContainerRecord, path: string): void {
  const file = Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
  try {
    exportTo(record, (chunk) => {
      for (let at = 0; at < chunk.length;) at += file.writeSync(chunk.subarray(at));
    });
  } catch (error) {
    Deno.removeSync(path);
    throw error;
  } finally {
    file.close();
  }
}

/** `diplodock export`. */
export async function command(words: string[]): Promise<number> {
  const { options, args: [reference] } = parseArgs(spec, words);
  const record = await daemon(() => readRecord(resolveContainer(reference)));
  if (options.output !== undefined) {
    await daemon(() => exportToFile(record, options.output!));
    return 0;
  }
  if (Deno.stdout.isTerminal()) {
    throw new UserError("cowardly refusing to export to a terminal, specify a file path");
  }
  await daemon(() =>
    exportTo(record, (chunk) => {
      for (let at = 0; at < chunk.length;) at += Deno.stdout.writeSync(chunk.subarray(at));
    })
  );
  return 0;
}
