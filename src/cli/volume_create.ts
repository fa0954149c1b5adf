import { UserError } from "../base/errors.ts";
import { newId } from "../engine/containers.ts";
import { emitVolumeEvent } from "../engine/events.ts";
import { createVolume } from "../engine/volumes.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { parseLabel } from "./flags/env.ts";
import { daemon } from "./engine_error.ts";

/** "k=v" of --opt and --label; a word alone is a key without a value. */
function parsePair(text: string): [key: string, value: string] {
  const equals = text.indexOf("=");
  return equals < 0 ? [text, ""] : [text.slice(0, equals), text.slice(equals + 1)];
}

export const spec = {
  name: "volume create",
  usage: "[OPTIONS] [VOLUME]",
  summary: "Create a volume",
  args: [0, 1],
  flags: {
    driver: { type: "string", short: "d", default: "local", help: "Specify volume driver name" },
    label: {
      type: "list",
      help: "Set metadata for a volume",
      parse: (text) => parsePair(parseLabel(text)),
    },
    name: { type: "string", hidden: true, help: "Specify volume name" },
    opt: {
      type: "list",
      short: "o",
      value: "map",
      help: "Set driver specific options",
      parse: parsePair,
    },
  },
  examples: [
    "diplodock volume create data",
    "diplodock volume create -o type=tmpfs -o device=tmpfs -o o=size=64m scratch",
  ],
} as const satisfies CommandSpec;

/** `diplodock volume create`. One that is there already is fine. */
export async function command(words: string[]): Promise<number> {
  const { options, args: [positional] } = parseArgs(spec, words);
  if (options.name !== undefined && positional !== undefined) {
    throw new UserError(
      "conflicting options: cannot specify a volume-name through both --name and as a positional arg",
    );
  }
  const given = positional ?? options.name ?? "";
  const name = given === "" ? newId() : given;
  const { isNew } = await daemon(() =>
    createVolume(name, {
      driver: options.driver,
      options: Object.fromEntries(options.opt),
      labels: Object.fromEntries(options.label),
      anonymous: given === "",
    })
  );
  if (isNew) emitVolumeEvent(name, "create");
  console.log(name);
  return 0;
}
