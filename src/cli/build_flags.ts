/** The flags of `build`: what is done, what is said not to be done, and what is refused. */
import { UserError } from "../base/errors.ts";
import { parseSize } from "../base/units.ts";
import type { FlagTable } from "./args.ts";
import { type Entitlement, ENTITLEMENTS } from "../build/build_request.ts";
import { PROGRESS_MODES } from "./build_display.ts";
import { parseLabel } from "./flags/env.ts";
import { parseAddHost } from "./flags/networks.ts";
import { parseUlimit } from "./flags/resources.ts";
import { parseBytesOrUnlimited } from "./flags/units.ts";

/** The image is one manifest: there is nothing else that could have annotations. */
function parseAnnotation(text: string): string {
  const [, types, pair] = /^(?:([a-z,-]+):)?([^=]+=.*)$/s.exec(text) ?? [];
  if (pair === undefined) throw new Error(`invalid annotation "${text}": want key=value`);
  if (types === undefined || types === "manifest") return pair;
  throw new Error(`annotation of ${types} is not supported: the image is one manifest`);
}

const bytes = { type: "string", value: "bytes", parse: parseSize } as const;

const LIMITS = {
  "cgroup-parent": { type: "string", help: "Set the parent cgroup for RUN instructions" },
  "cpu-period": { type: "int", help: "Limit the CPU CFS (Completely Fair Scheduler) period" },
  "cpu-quota": { type: "int", help: "Limit the CPU CFS (Completely Fair Scheduler) quota" },
  "cpu-shares": { type: "int", short: "c", help: "CPU shares (relative weight)" },
  "cpuset-cpus": { type: "string", help: "CPUs in which to allow execution (0-3, 0,1)" },
  "cpuset-mems": { type: "string", help: "MEMs in which to allow execution (0-3, 0,1)" },
  memory: { ...bytes, short: "m", help: "Memory limit" },
  "memory-swap": {
    type: "string",
    value: "bytes",
    parse: parseBytesOrUnlimited,
    help: "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
  },
  "shm-size": { ...bytes, help: "Shared memory size for build containers" },
  ulimit: { type: "list", value: "ulimit", parse: parseUlimit, help: "Ulimit options" },
} as const satisfies FlagTable;

/** Flags that scripts give and that change nothing here; SAID says so. */
const ACCEPTED = {
  attest: { type: "list", hidden: true },
  builder: { type: "string", hidden: true },
  compress: { type: "bool", hidden: true },
  "disable-content-trust": { type: "bool", default: true, hidden: true },
  "force-rm": { type: "bool", hidden: true },
  isolation: { type: "string", hidden: true },
  load: { type: "bool", hidden: true },
  provenance: { type: "string", bare: "true", hidden: true },
  rm: { type: "bool", default: true, hidden: true },
  sbom: { type: "string", bare: "true", hidden: true },
  "security-opt": { type: "list", hidden: true },
  squash: { type: "bool", hidden: true },
} as const satisfies FlagTable;

/** Throws Error for what cannot be allowed. */
function parseEntitlement(text: string): Entitlement {
  const known = ENTITLEMENTS.find((one) => one === text);
  if (known !== undefined) return known;
  throw new Error(`unknown entitlement ${text}: want ${ENTITLEMENTS.join(" or ")}`);
}

function parseCall(text: string): "build" | "check" {
  if (text === "build" || text === "check") return text;
  throw new Error(`${text} is not supported: want build or check`);
}

export const BUILD_FLAGS = {
  "add-host": {
    type: "list",
    parse: parseAddHost,
    help: "Add a custom host-to-IP mapping (host:ip)",
  },
  allow: {
    type: "list",
    parse: parseEntitlement,
    help: 'Let the Dockerfile do more ("network.host": RUN --network=host, "host": FROM host)',
    complete: ENTITLEMENTS,
  },
  annotation: {
    type: "list",
    parse: parseAnnotation,
    help: "Add annotation to the image (format: [manifest:]key=value)",
  },
  "build-arg": { type: "list", help: "Set build-time variables" },
  "build-context": {
    type: "list",
    value: "name=path",
    help: "Additional build contexts (e.g., name=path)",
    complete: "directory",
  },
  "cache-from": {
    type: "list",
    help: 'Take instructions made elsewhere (e.g., "user/app:cache", "type=local,src=path")',
    complete: "image",
  },
  "cache-to": {
    type: "list",
    help: 'Keep the cache for others (e.g., "user/app:cache", "type=local,dest=path")',
    complete: "image",
  },
  call: {
    type: "string",
    parse: parseCall,
    help: 'Set method for evaluating build ("build", "check")',
    complete: ["build", "check"],
  },
  check: { type: "bool", help: 'Shorthand for "--call=check"' },
  file: {
    type: "string",
    short: "f",
    help: 'Name of the Dockerfile (default: "PATH/Dockerfile")',
    complete: "file",
  },
  iidfile: { type: "string", help: "Write the image ID to a file", complete: "file" },
  label: { type: "list", parse: parseLabel, help: "Set metadata for an image" },
  "metadata-file": {
    type: "string",
    help: "Write build result metadata to a file",
    complete: "file",
  },
  network: {
    type: "string",
    help: "Set the networking mode for the RUN instructions during build",
    complete: "network",
  },
  "no-cache": { type: "bool", help: "Do not use cache when building the image" },
  "no-cache-filter": { type: "list", help: "Do not cache specified stages" },
  output: {
    type: "list",
    short: "o",
    help: 'Output destination (format: "type=local,dest=path")',
    complete: "directory",
  },
  platform: { type: "string", help: "Set target platform for build" },
  progress: {
    type: "string",
    help: `Set type of progress output (${PROGRESS_MODES.map((one) => `"${one}"`).join(", ")})`,
    complete: PROGRESS_MODES,
  },
  pull: { type: "bool", help: "Always attempt to pull all referenced images" },
  push: { type: "bool", help: "Push the image to its registry when it is built" },
  quiet: {
    type: "bool",
    short: "q",
    help: "Suppress the build output and print image ID on success",
  },
  secret: {
    type: "list",
    help: 'Secret to expose to the build (format: "id=mysecret[,src=/local/secret]")',
  },
  ssh: {
    type: "list",
    help: 'SSH agent socket or keys to expose to the build (format: "default|ID[=SOCKET|KEY]")',
  },
  tag: {
    type: "list",
    short: "t",
    help: 'Name and optionally a tag (format: "name:tag")',
    complete: "image",
  },
  target: { type: "string", help: "Set the target build stage to build" },
  ...LIMITS,
  ...ACCEPTED,
} as const satisfies FlagTable;

/** What is said of a flag that changes nothing here. */
const SAID: Record<string, string> = {
  attest: "--attest is ignored: no attestations are made",
  builder: "--builder is ignored: there is one builder, this program",
  compress: "--compress is ignored: the build context is not sent anywhere",
  isolation: "--isolation is for Windows only",
  "security-opt": "--security-opt is ignored: RUN has the rights of ordinary containers",
};

/** Warnings of flags that were given and change nothing. Throws UserError for what cannot be. */
export function checkAccepted(
  given: ReadonlySet<string>,
  options: {
    readonly provenance?: string;
    readonly sbom?: string;
    readonly rm: boolean;
    readonly squash: boolean;
    readonly disableContentTrust: boolean;
  },
): string[] {
  if (options.squash) {
    throw new UserError("--squash is not supported: copy the files into a stage FROM scratch");
  }
  const warnings = Object.entries(SAID).filter(([name]) => given.has(name)).map(([, text]) => text);
  const wants = (value: string | undefined) =>
    value !== undefined && !/^(?:0|f|false)$/i.test(value);
  if (wants(options.provenance)) warnings.push("--provenance is ignored: no attestations are made");
  if (wants(options.sbom)) warnings.push("--sbom is ignored: no attestations are made");
  if (!options.disableContentTrust) {
    warnings.push("--disable-content-trust=false is ignored: signatures are not verified");
  }
  if (!options.rm) warnings.push("--rm=false is ignored: containers of builds are always removed");
  return warnings;
}
