/** `--security-opt`, and the modes of the namespaces. */
import { quoteGo } from "../../base/quote.ts";
import { joinedContainer } from "../../engine/modes.ts";
import type { ClientHost } from "./host.ts";
import { badFlag, cut } from "./units.ts";

/** What `--security-opt` means for the HostConfig. */
export interface SecurityFlags {
  securityOpt: string[] | null;
  /** [] where `systempaths=unconfined` was given, else null: docker's defaults. */
  maskedPaths: string[] | null;
  readonlyPaths: string[] | null;
}

/** The text of a seccomp profile, without white space: it is stored with the container. */
function readProfile(path: string, host: ClientHost): string {
  let text: string;
  try {
    text = new TextDecoder().decode(host.readFile(path));
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound
      ? `open ${path}: no such file or directory`
      : error instanceof Deno.errors.PermissionDenied
      ? `open ${path}: permission denied`
      : error instanceof Deno.errors.IsADirectory
      ? `read ${path}: is a directory`
      : String(error);
    badFlag(`opening seccomp profile (${path}) failed: ${why}`);
  }
  try {
    return JSON.stringify(JSON.parse(text));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    badFlag(`compacting json for seccomp profile (${path}) failed: ${why}`);
  }
}

/**
 * Parses all `--security-opt`. Profiles named by file are read here, since the file is the
 * client's; `systempaths=unconfined` becomes empty lists of masked and read-only paths.
 */
export function parseSecurityOpts(words: readonly string[], host: ClientHost): SecurityFlags {
  const kept: string[] = [];
  let unconfined = false;
  for (const word of words) {
    let [key, value] = cut(word, "=");
    if (value === undefined && key !== "no-new-privileges") [key, value] = cut(word, ":");
    if (!value && key !== "no-new-privileges") {
      badFlag(`Invalid --security-opt: ${quoteGo(word)}`);
    }
    if (word === "systempaths=unconfined") unconfined = true;
    else if (key === "seccomp" && value !== "unconfined" && value !== "builtin") {
      kept.push(`seccomp=${readProfile(value!, host)}`);
    } else kept.push(word);
  }
  return {
    securityOpt: kept.length > 0 ? kept : null,
    maskedPaths: unconfined ? [] : null,
    readonlyPaths: unconfined ? [] : null,
  };
}

/** `--cap-add` and `--cap-drop` in one spelling ("CAP_CHOWN", "ALL"), sorted, each once. */
export function parseCapabilities(words: readonly string[]): string[] {
  const names = words.map((word) => {
    const name = word.trim().toUpperCase();
    return name === "ALL" || name.startsWith("CAP_") ? name : `CAP_${name}`;
  });
  return [...new Set(names)].sort();
}

/** Checks `--pid`. */
export function checkPidMode(mode: string): void {
  const known = mode === "" || mode === "host" || mode === "private" ||
    joinedContainer(mode) !== undefined;
  if (!known) badFlag("--pid: invalid PID mode");
}

/** Checks `--uts`. `container:` and `private` are ours. */
export function checkUtsMode(mode: string): void {
  const known = mode === "" || mode === "host" || mode === "private" ||
    joinedContainer(mode) !== undefined;
  if (!known) badFlag("--uts: invalid UTS mode");
}

/** Checks `--cgroupns`. */
export function checkCgroupnsMode(mode: string): void {
  if (!["", "host", "private"].includes(mode)) badFlag("--cgroupns: invalid CGROUP mode");
}

/** What `--userns` says: the mode without its options, and the options. */
export interface UsernsFlag {
  mode: string;
  size?: number;
  uid?: number;
  gid?: number;
}

/**
 * Parses `--userns`: "", host, private, keep-id[:uid=N,gid=N], nomap, auto[:size=N],
 * container:NAME. docker itself has host only, podman the others.
 */
export function parseUserns(text: string): UsernsFlag {
  if (joinedContainer(text) !== undefined) return { mode: text };
  const [mode, options] = cut(text, ":");
  const allowed = mode === "keep-id" ? ["uid", "gid"] : mode === "auto" ? ["size"] : [];
  if (!["", "host", "private", "keep-id", "nomap", "auto"].includes(mode)) {
    badFlag("--userns: invalid USER mode");
  }
  const flag: UsernsFlag = { mode };
  for (const option of options === undefined ? [] : options.split(",")) {
    const [key, value] = cut(option, "=");
    if (!allowed.includes(key) || !/^\d{1,10}$/.test(value ?? "")) {
      badFlag(`--userns: unknown option "${option}" for "${mode}"`);
    }
    flag[key as "size" | "uid" | "gid"] = Number(value);
  }
  return flag;
}
