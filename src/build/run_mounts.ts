/** `RUN --mount=…`: what it says. Source: Dockerfile reference, "RUN --mount". */
import { UserError } from "../base/errors.ts";
import { parseSize } from "../base/units.ts";
import { joinWorkdir } from "../image/instruction_parts.ts";

/** One mount, every default written out. */
export type RunMount =
  | {
    readonly type: "bind";
    /** A stage or an image; undefined: the build context. */
    readonly from?: string;
    readonly source: string;
    readonly target: string;
    readonly writable: boolean;
  }
  | {
    readonly type: "cache";
    readonly id: string;
    readonly from?: string;
    readonly source: string;
    readonly target: string;
    readonly writable: boolean;
    readonly sharing: "shared" | "private" | "locked";
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
  }
  | { readonly type: "tmpfs"; readonly target: string; readonly sizeBytes?: number }
  | {
    readonly type: "secret";
    readonly id: string;
    /** undefined: no file. */
    readonly target?: string;
    /** A variable that has its value. */
    readonly env?: string;
    readonly required: boolean;
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
  }
  | {
    readonly type: "ssh";
    readonly id: string;
    /** undefined: a place of the build's choice. */
    readonly target?: string;
    readonly required: boolean;
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
  };

type Fields = Map<string, string>;

const KEYS: Record<string, readonly string[]> = {
  bind: ["target", "source", "from", "readwrite", "readonly"],
  cache: [
    ...["id", "target", "source", "from", "sharing", "mode", "uid", "gid"],
    ...["readwrite", "readonly"],
  ],
  tmpfs: ["target", "size"],
  secret: ["id", "target", "env", "required", "mode", "uid", "gid"],
  ssh: ["id", "target", "required", "mode", "uid", "gid"],
};

const SPELLINGS: Record<string, string> = {
  dst: "target",
  destination: "target",
  src: "source",
  rw: "readwrite",
  ro: "readonly",
};

/** Keys that may stand without a value. */
const SWITCHES = ["readwrite", "readonly", "required"];

function fieldsOf(text: string): Fields {
  const fields: Fields = new Map();
  for (const part of text.split(",")) {
    const equals = part.indexOf("=");
    const spelled = (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase();
    const key = SPELLINGS[spelled] ?? spelled;
    if (equals < 0 && !SWITCHES.includes(key)) {
      throw new UserError(`invalid field '${part}' must be a key=value pair`);
    }
    fields.set(key, equals < 0 ? "true" : part.slice(equals + 1));
  }
  return fields;
}

function flag(fields: Fields, key: string): boolean | undefined {
  const text = fields.get(key);
  if (text === undefined) return undefined;
  if (/^(?:true|1)$/i.test(text)) return true;
  if (/^(?:false|0)$/i.test(text)) return false;
  throw new UserError(`invalid value for ${key}: ${text}`);
}

function number(fields: Fields, key: string, base: number, otherwise: number): number {
  const text = fields.get(key);
  if (text === undefined) return otherwise;
  const digits = base === 8 ? /^[0-7]{1,5}$/ : /^\d{1,10}$/;
  if (!digits.test(text)) throw new UserError(`invalid value ${text} for ${key}`);
  return parseInt(text, base);
}

function isWritable(fields: Fields, otherwise: boolean): boolean {
  const writable = flag(fields, "readwrite");
  if (writable !== undefined) return writable;
  const readonly = flag(fields, "readonly");
  return readonly === undefined ? otherwise : !readonly;
}

function targetOf(fields: Fields, workdir: string | undefined): string {
  const target = fields.get("target") ?? "";
  if (target === "") throw new UserError('invalid mount target "": target is required');
  return joinWorkdir(workdir, target);
}

/** Reads the value of one `--mount`. Throws UserError. */
export function parseRunMount(text: string, workdir: string | undefined): RunMount {
  const fields = fieldsOf(text);
  const type = fields.get("type")?.toLowerCase() ?? "bind";
  if (!Object.hasOwn(KEYS, type)) throw new UserError(`unsupported mount type "${type}"`);
  for (const key of fields.keys()) {
    if (key !== "type" && !KEYS[type].includes(key)) {
      throw new UserError(`unexpected key '${key}' for mount type '${type}'`);
    }
  }
  const from = fields.get("from");
  const source = fields.get("source") ?? "/";
  const owner = { uid: number(fields, "uid", 10, 0), gid: number(fields, "gid", 10, 0) };
  switch (type) {
    case "bind":
      return {
        type,
        ...(from !== undefined && { from }),
        source,
        target: targetOf(fields, workdir),
        writable: isWritable(fields, false),
      };
    case "cache":
      return {
        type,
        ...(from !== undefined && { from }),
        source,
        target: targetOf(fields, workdir),
        id: fields.get("id") || targetOf(fields, workdir),
        writable: isWritable(fields, true),
        sharing: sharingOf(fields.get("sharing") ?? "shared"),
        mode: number(fields, "mode", 8, 0o755),
        ...owner,
      };
    case "tmpfs": {
      const size = fields.get("size");
      const target = targetOf(fields, workdir);
      return { type, target, ...(size !== undefined && { sizeBytes: parseSize(size) }) };
    }
    case "ssh":
      return {
        type,
        id: fields.get("id") || "default",
        ...(fields.has("target") && { target: targetOf(fields, workdir) }),
        required: flag(fields, "required") ?? false,
        mode: number(fields, "mode", 8, 0o600),
        ...owner,
      };
    default:
      return secretMount(fields, workdir, owner);
  }
}

function secretMount(
  fields: Fields,
  workdir: string | undefined,
  owner: { uid: number; gid: number },
): RunMount {
  const env = fields.get("env"), wanted = fields.get("target");
  const id = fields.get("id") || wanted?.split("/").at(-1) || env;
  if (!id) throw new UserError("secret mount needs an id or a target");
  const target = wanted ?? (env === undefined ? `/run/secrets/${id}` : undefined);
  return {
    type: "secret",
    id,
    ...(target !== undefined && { target: joinWorkdir(workdir, target) }),
    ...(env !== undefined && { env }),
    required: flag(fields, "required") ?? false,
    mode: number(fields, "mode", 8, 0o400),
    ...owner,
  };
}

function sharingOf(text: string): "shared" | "private" | "locked" {
  const lower = text.toLowerCase();
  if (lower === "shared" || lower === "private" || lower === "locked") return lower;
  throw new UserError(`unsupported sharing value "${text}"`);
}
