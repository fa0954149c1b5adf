import { rootDirectory, runDirectory } from "../base/places.ts";
import { resetEngine } from "../engine/reset.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { confirm } from "./output.ts";

export const spec = {
  name: "system reset",
  usage: "[OPTIONS]",
  summary: "Remove all containers, images, networks, volumes and files of this engine",
  description: "Nothing of it is left on the machine then: no file, mount, cgroup, interface or " +
    "firewall rule. What remains is the program itself, its unpacked parts in " +
    "/var/cache/diplodock, and a service that was installed by hand.",
  args: [0, 0],
  flags: {
    force: { type: "bool", short: "f", help: "Do not prompt for confirmation" },
  },
  examples: ["diplodock system reset", "diplodock system reset --force"],
} as const satisfies CommandSpec;

function question(): string {
  const lines = [
    ...["all containers", "all images", "all networks", "all volumes", "all build cache"],
    `the files in ${rootDirectory()} and ${runDirectory()}`,
  ];
  return "WARNING! This will remove:\n" + lines.map((line) => `  - ${line}\n`).join("") +
    "\nAre you sure you want to continue?";
}

/** `diplodock system reset`, podman's name for it. */
export async function command(words: string[]): Promise<number> {
  const { options: { force } } = parseArgs(spec, words);
  if (!force && !confirm(question())) return 0;
  let code = 0;
  await resetEngine((line) => {
    console.error(line);
    code = 1;
  });
  return code;
}
