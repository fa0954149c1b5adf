/** `--log-driver` and `--log-opt`: what may be given, and what it means. */
import { UserError } from "../base/errors.ts";
import type { LogConfig } from "./types.ts";

/** Options of json-file; those of local are fewer. */
const KNOWN: Record<string, readonly string[]> = {
  "json-file": [
    "max-file",
    "max-size",
    "compress",
    "labels",
    "labels-regex",
    "env",
    "env-regex",
    "tag",
  ],
  local: ["max-file", "max-size", "compress", "labels", "labels-regex", "env", "env-regex", "tag"],
};

/** Options every driver takes. */
const COMMON = ["mode", "max-buffer-size"];

const DECIMAL: Record<string, number> = { "": 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12, p: 1e15 };

/** A log file grows to this size before it is rotated, where nothing else was asked. */
const DEFAULT_MAX_SIZE_BYTES = 20_000_000;
/** So many files are kept, the current one included. */
const DEFAULT_MAX_FILES = 5;

/** The options that rule the files; the rest only decorates records. */
export interface LogOptions {
  /** Infinity: never rotate. */
  maxSizeBytes: number;
  maxFiles: number;
  compress: boolean;
}

/** Parses a size of a log option: decimal units. Throws a UserError. */
function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(text);
  if (match === null) throw new UserError(`invalid size: '${text}'`);
  return Math.trunc(Number(match[1]) * DECIMAL[match[2].toLowerCase()]);
}

/**
 * Reads the options of json-file or local. Throws a UserError with docker's text. docker lets a
 * json-file grow for ever; here both drivers rotate unless `max-size=-1`.
 */
export function parseLogOptions({ Config: options }: LogConfig): LogOptions {
  const text = options["max-size"];
  const maxSizeBytes = text === undefined
    ? DEFAULT_MAX_SIZE_BYTES
    : text === "-1"
    ? Infinity
    : parseSize(text);
  if (maxSizeBytes <= 0) throw new UserError("max-size must be a positive number");
  const files = options["max-file"] ?? String(DEFAULT_MAX_FILES);
  if (!/^[+-]?\d{1,9}$/.test(files)) {
    throw new UserError(`strconv.Atoi: parsing "${files}": invalid syntax`);
  }
  const maxFiles = Number(files);
  if (maxFiles < 1) throw new UserError("max-file cannot be less than 1");
  const compress = parseSwitch(options.compress ?? "false");
  if (compress && (maxFiles === 1 || maxSizeBytes === Infinity)) {
    throw new UserError(
      "compress cannot be true when max-file is less than 2 or max-size is not set",
    );
  }
  return { maxSizeBytes, maxFiles, compress };
}

function parseSwitch(text: string): boolean {
  if (["1", "t", "true"].includes(text.toLowerCase())) return true;
  if (["0", "f", "false"].includes(text.toLowerCase())) return false;
  throw new UserError(`strconv.ParseBool: parsing "${text}": invalid syntax`);
}

/** Checks driver and options. Throws a UserError with docker's text. */
export function checkLogConfig(log: LogConfig): void {
  const driver = log.Type || "json-file";
  if (driver === "none") return;
  const { mode = "" } = log.Config;
  if (!["", "blocking", "non-blocking"].includes(mode)) {
    throw new UserError(`logger: logging mode not supported: ${mode}`);
  }
  if ("max-buffer-size" in log.Config && mode !== "non-blocking") {
    throw new UserError(
      "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
    );
  }
  if (!Object.hasOwn(KNOWN, driver)) {
    throw new UserError(`logger: no log driver named '${driver}' is registered`);
  }
  for (const option of Object.keys(log.Config)) {
    if (KNOWN[driver].includes(option) || COMMON.includes(option)) continue;
    throw new UserError(`unknown log opt '${option}' for ${driver} log driver`);
  }
  parseLogOptions(log);
}
