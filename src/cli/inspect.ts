import { UserError } from "../base/errors.ts";
import { quoteGo } from "../base/quote.ts";
import { readRecord, resolveContainer } from "../engine/containers.ts";
import { mendHealthChecks } from "../engine/health_mend.ts";
import { inspectContainer } from "../engine/inspect.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { asDaemonError } from "./engine_error.ts";
import { FORMAT_HELP, printInspected } from "./inspect_output.ts";

export const spec = {
  name: "inspect",
  usage: "[OPTIONS] NAME|ID [NAME|ID...]",
  summary: "Return low-level information on containers, images, networks and volumes",
  args: [1, Infinity],
  complete: ["container"],
  flags: {
    format: { type: "string", short: "f", help: FORMAT_HELP },
    size: {
      type: "bool",
      short: "s",
      help: "Display total file sizes if the type is container",
    },
    type: {
      type: "string",
      help: "Only inspect objects of the given type",
      complete: ["container", "image", "network", "volume"],
    },
  },
  examples: [
    "diplodock inspect -f '{{.State.Pid}}' web",
    "diplodock inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' web",
  ],
} as const satisfies CommandSpec;

/** Kinds of things, in the order in which a name is looked for; undefined: there is none. */
const KINDS: Record<string, (name: string, size: boolean) => Promise<unknown> | unknown> = {
  container: inspectOneContainer,
  image: async (name) => {
    const [{ inspectImage }, { Store }, { rootDirectory }] = await Promise.all([
      import("../image/inspect.ts"),
      import("../image/store.ts"),
      import("../base/places.ts"),
    ]);
    return inspectImage(new Store(rootDirectory()), name);
  },
  network: async (name) => (await import("../engine/inspect_network.ts")).inspectNetwork(name),
  volume: async (name) => (await import("../engine/inspect_volume.ts")).inspectVolume(name),
};

/** docker's kinds that only a swarm or plugins have. */
const OTHER_KINDS = ["config", "node", "plugin", "secret", "service", "task"];

/** One container as `inspect` prints it. Throws UserError with docker's texts. */
export async function inspectOneContainer(name: string, size: boolean): Promise<unknown> {
  const record = readRecord(resolveContainer(name));
  await mendHealthChecks(record);
  if (!size) return inspectContainer(record);
  const { containerSizes } = await import("../engine/sizes.ts");
  return inspectContainer(record, await containerSizes(record));
}

/** Whether an error says that there is no such thing, and not what is wrong with it. */
function isMissing(error: unknown): boolean {
  if (isBadName(error)) return true; // no image is called so
  return error instanceof UserError &&
    /^(?:No such (?:container|image)|get .*: no such volume|network .* not found)/i
      .test(error.message);
}

// Told by name: the class would load what it belongs to.
const isBadName = (error: unknown): error is Error =>
  error instanceof Error && error.name === "BadNameError";

async function findAny(name: string, size: boolean): Promise<unknown> {
  for (const find of Object.values(KINDS)) {
    try {
      return await find(name, size);
    } catch (error) {
      if (!isMissing(error)) throw asDaemonError(error);
    }
  }
  throw new UserError(`Error: No such object: ${name}`);
}

async function findKind(kind: string, name: string, size: boolean): Promise<unknown> {
  if (OTHER_KINDS.includes(kind)) throw new UserError(`Error: No such ${kind}: ${name}`);
  try {
    return await KINDS[kind](name, size);
  } catch (error) {
    throw asDaemonError(isBadName(error) ? new UserError(error.message) : error);
  }
}

/** `diplodock inspect`. */
export async function command(words: string[]): Promise<number> {
  const { options: { format, size, type }, args } = parseArgs(spec, words);
  if (type === undefined || type === "") {
    return await printInspected(args, (name) => findAny(name, size), format);
  }
  if (!Object.hasOwn(KINDS, type) && !OTHER_KINDS.includes(type)) {
    const known = [...Object.keys(KINDS), ...OTHER_KINDS].sort().map(quoteGo).join(", ");
    throw new UserError(`unknown type: ${quoteGo(type)}: must be one of ${known}`);
  }
  return await printInspected(args, (name) => findKind(type, name, size), format);
}
