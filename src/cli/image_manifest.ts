import { remoteManifest, verboseManifests } from "../image/remote_manifest.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { readReference } from "./image_pull.ts";

export const spec = {
  name: "manifest inspect",
  usage: "[OPTIONS] MANIFEST",
  summary: "Display an image manifest, or manifest list, of a registry",
  args: [1, 1],
  flags: {
    verbose: {
      type: "bool",
      short: "v",
      help: "Output additional info including layers and platform",
    },
  },
  examples: ["diplodock manifest inspect localhost:5000/app:1 >/dev/null && echo there"],
} as const satisfies CommandSpec;

/** `diplodock manifest inspect`: nothing is pulled, so it tells whether a tag is there. */
export async function command(args: string[]): Promise<number> {
  const { options, args: [name] } = parseArgs(spec, args);
  const reference = readReference(name);
  if (options.verbose) {
    const all = await verboseManifests(reference);
    console.log(JSON.stringify(all.length === 1 ? all[0] : all, null, "\t"));
    return 0;
  }
  const { document, isIndex } = await remoteManifest(reference);
  console.log(JSON.stringify(document, null, isIndex ? "   " : "\t"));
  return 0;
}
