/** Where `build` puts its result: `--output`, `--push`, `--load`. Source: docker buildx build. */
import { UserError } from "../base/errors.ts";
import type { BuildOutput } from "../build/output.ts";
import { parseCsvRecord } from "./flags/units.ts";

/** What `--output` and `--push` say together. */
export interface Outputs {
  readonly outputs: readonly BuildOutput[];
  /** Further names of the image. */
  readonly names: readonly string[];
  readonly push: boolean;
}

interface Parsed {
  readonly output: BuildOutput;
  readonly names: readonly string[];
  readonly push: boolean;
}

/** Keys that each type has. */
const KEYS: Record<string, readonly string[]> = {
  image: ["name", "push"],
  registry: ["name"],
  docker: ["name", "dest", "tar"],
  oci: ["name", "dest", "tar"],
  local: ["dest"],
  tar: ["dest"],
  cacheonly: [],
};

/** Reads all `--output`. Throws UserError. */
export function parseOutputs(texts: readonly string[], push: boolean, load: boolean): Outputs {
  if (texts.length === 0) return { outputs: [{ type: "image" }], names: [], push };
  const parsed = texts.map(parseOutput);
  const other = parsed.find(({ output }) => output.type !== "image");
  if (push && other !== undefined) {
    throw new UserError(`push and "${other.output.type}" output can't be used together`);
  }
  if (load && parsed.every(({ output }) => output.type !== "image")) {
    throw new UserError(`load and "${parsed[0].output.type}" output can't be used together`);
  }
  const toConsole = parsed.filter(({ output }) => "dest" in output && output.dest === "-");
  if (toConsole.length > 1) throw new UserError("only one --output can go to standard output");
  return {
    outputs: parsed.map(({ output }) => output),
    names: parsed.flatMap(({ names }) => names),
    push: push || parsed.some((one) => one.push),
  };
}

function parseOutput(text: string): Parsed {
  const plain = (output: BuildOutput): Parsed => ({ output, names: [], push: false });
  if (!text.includes("=")) {
    return plain(text === "-" ? { type: "tar", dest: "-" } : { type: "local", dest: text });
  }
  const fields = new Map(
    parseCsvRecord(text).map((field) => {
      const equals = field.indexOf("=");
      if (equals < 0) throw new UserError(`invalid value ${field}`);
      return [field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1)];
    }),
  );
  const type = fields.get("type");
  if (type === undefined) throw new UserError("type is required for output");
  if (!Object.hasOwn(KEYS, type)) throw new UserError(`exporter "${type}" could not be found`);
  for (const key of fields.keys()) {
    if (key !== "type" && !KEYS[type].includes(key)) {
      const known = KEYS[type].length === 0 ? "it has none" : `want ${KEYS[type].join(", ")}`;
      throw new UserError(`--output type=${type} has no key "${key}": ${known}`);
    }
  }
  const names = (fields.get("name") ?? "").split(",").filter((name) => name !== "");
  const dest = fields.get("dest") ?? "";
  switch (type) {
    case "image":
    case "registry":
      return {
        output: { type: "image" },
        names,
        push: type === "registry" || isOn(fields, "push"),
      };
    case "docker":
      if (dest === "") return { output: { type: "image" }, names, push: false };
      return { output: archive("docker", fields), names, push: false };
    case "oci":
      return { output: archive("oci", fields), names, push: false };
    case "cacheonly":
      return plain({ type: "cacheonly" });
    default:
      if (dest === "" && type === "local") {
        throw new UserError("output directory is required for local exporter");
      }
      return plain({ type: type as "local" | "tar", dest: dest || "-" });
  }
}

function archive(type: "docker" | "oci", fields: ReadonlyMap<string, string>): BuildOutput {
  const dest = fields.get("dest") || "-";
  const isDirectory = fields.has("tar") && !isOn(fields, "tar");
  if (isDirectory && dest === "-") {
    throw new UserError(`--output type=${type},tar=false needs a directory: dest=PATH`);
  }
  return { type, dest, isDirectory };
}

function isOn(fields: ReadonlyMap<string, string>, key: string): boolean {
  const text = fields.get(key) ?? "false";
  if (/^(?:1|t|true)$/i.test(text)) return true;
  if (/^(?:0|f|false)$/i.test(text)) return false;
  throw new UserError(`non-bool value specified for ${key}: ${text}`);
}
