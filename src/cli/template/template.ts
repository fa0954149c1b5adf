import { execute } from "./execute.ts";
import { FUNCTIONS, HEADER_FUNCTIONS } from "./functions.ts";
import { parse, type Template } from "./parse.ts";

export { TemplateError } from "./nodes.ts";
export type { Template } from "./parse.ts";

/** How to run a template. */
export interface ExecuteOptions {
  /**
   * `struct`: the root is one row of a list, whose unknown fields are errors that name
   * `typeName`. `map`: JSON as inspect has it, absent keys are errors.
   */
  readonly mode: "struct" | "map";
  readonly typeName?: string;
  /** The data are the titles of a table. */
  readonly header?: boolean;
}

// The engine's records are JSON; docker's are Go structs, whose null lists and maps print as
// empty ones and whose maps give no value, not an error, for an absent key.
const MAPS: ReadonlySet<string> = new Set([
  "Annotations",
  "DriverOpts",
  "ExposedPorts",
  "Labels",
  "Networks",
  "Options",
  "PortBindings",
  "Ports",
  "StorageOpt",
  "Sysctls",
  "Tmpfs",
  "Volumes",
]);
const LISTS: ReadonlySet<string> = new Set([
  "Aliases",
  "Binds",
  "BlkioDeviceReadBps",
  "BlkioDeviceReadIOps",
  "BlkioDeviceWriteBps",
  "BlkioDeviceWriteIOps",
  "BlkioWeightDevice",
  "CapAdd",
  "CapDrop",
  "Cmd",
  "DNSNames",
  "DeviceCgroupRules",
  "DeviceRequests",
  "Devices",
  "Dns",
  "DnsOptions",
  "DnsSearch",
  "Entrypoint",
  "Env",
  "ExecIDs",
  "ExtraHosts",
  "GroupAdd",
  "Links",
  "MaskedPaths",
  "Mounts",
  "OnBuild",
  "ReadonlyPaths",
  "RepoDigests",
  "RepoTags",
  "SecurityOpt",
  "Shell",
  "Ulimits",
  "VolumesFrom",
]);

/**
 * Parses a Go template with docker's functions. Throws TemplateError (`phase` "parse") whose
 * message is Go's, e.g. `template: :1: unclosed action`.
 */
export function parseTemplate(text: string, name = ""): Template {
  return parse(text, name, FUNCTIONS);
}

/** Runs a template; the text it writes. Throws TemplateError (`phase` "execute"). */
export function executeTemplate(
  template: Template,
  data: unknown,
  options: ExecuteOptions,
): string {
  return execute(template, data, {
    functions: options.header ? HEADER_FUNCTIONS : FUNCTIONS,
    mode: options.mode,
    typeName: options.typeName ?? "map[string]interface {}",
    lists: LISTS,
    maps: MAPS,
  });
}
