import { UserError } from "../base/errors.ts";
import { importImage } from "../engine/image_archives.ts";
import { type ArchiveSource, openArchive, standardInput } from "../image/archive_files.ts";
import { newTagName } from "../image/names.ts";
import { parsePlatform } from "../base/platform.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./image_context.ts";
import { readReference } from "./image_pull.ts";

export const spec = {
  name: "import",
  usage: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
  summary: "Import the contents from a tarball to create a filesystem image",
  aliases: ["image import", "import"],
  args: [1, 2],
  complete: ["file", "image"],
  flags: {
    change: {
      type: "list",
      short: "c",
      help: "Apply Dockerfile instruction to the created image",
    },
    message: { type: "string", short: "m", help: "Set commit message for imported image" },
    platform: {
      type: "string",
      help: "Set platform if server is multi-platform capable",
    },
  },
  examples: [`diplodock import -c 'CMD ["/bin/sh"]' root.tar.gz mine:latest`],
} as const satisfies CommandSpec;

function isAddress(source: string): boolean {
  return /^https?:\/\//.test(source);
}

/** docker's daemon asks addresses; its client reads files. */
async function open(source: string): Promise<ArchiveSource> {
  if (source === "-") return standardInput() ?? Deno.stdin.readable;
  return isAddress(source) ? await daemon(() => download(source)) : openArchive(source);
}

/** What is at an address. Throws RegistryError, UserError with docker's words. */
async function download(address: string): Promise<ArchiveSource> {
  const { ask } = await import("../image/http.ts");
  const { boundedBody, unreachable } = await import("../image/registry_error.ts");
  const answer = await ask("GET", address, { headers: {} }).catch((error) => {
    throw unreachable(error, "GET", address);
  });
  if (answer.ok) return copies(answer.body);
  const { status, statusText } = answer;
  const body = await boundedBody(answer, 64 << 10, "an error").catch(() => new Uint8Array());
  const text = new TextDecoder().decode(body).trim();
  throw new UserError(`failed to GET ${address} with status ${status} ${statusText}: ${text}`);
}

/** An archive's reader keeps pieces; those of an answer are overwritten by the next. */
async function* copies(body: AsyncIterable<Uint8Array<ArrayBuffer>>) {
  for await (const piece of body) yield piece.slice();
}

/** `diplodock import`. */
export async function command(args: string[]): Promise<number> {
  const { options, args: [source, name] } = parseArgs(spec, args);
  if (name !== undefined && readReference(name).digest !== undefined) {
    throw new UserError("Error response from daemon: cannot import digest reference");
  }
  const target = name === undefined ? undefined : newTagName(name, (reason) => reason);
  const platform = options.platform ? await daemon(() => parsePlatform(options.platform!)) : null;
  const archive = await open(source);
  const record = await daemon(() =>
    importImage(archive, {
      changes: options.change,
      message: options.message ?? `Imported from ${isAddress(source) ? source : "-"}`,
      ...(target && { name: target }),
      ...(platform && { platform }),
    })
  );
  console.log(record.id);
  return 0;
}
