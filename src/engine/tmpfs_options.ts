/** Options of a tmpfs, as `--tmpfs` and `--mount type=tmpfs` give them. */
import { UserError } from "../base/errors.ts";
import { quoteGo } from "../base/quote.ts";
import type { TmpfsOptions } from "./types.ts";

/** What docker puts under every `--tmpfs`; a word the user gives replaces its opposite. */
const DEFAULTS = ["noexec", "nosuid", "nodev"];

/** Words without a value, each with what it undoes. */
const OPPOSITES: Record<string, string> = {
  ro: "rw",
  rw: "ro",
  exec: "noexec",
  noexec: "exec",
  suid: "nosuid",
  nosuid: "suid",
  dev: "nodev",
  nodev: "dev",
  sync: "async",
  async: "sync",
  dirsync: "",
  remount: "",
  mand: "nomand",
  nomand: "mand",
  atime: "noatime",
  noatime: "atime",
  diratime: "nodiratime",
  nodiratime: "diratime",
  relatime: "norelatime",
  norelatime: "relatime",
  strictatime: "nostrictatime",
  nostrictatime: "strictatime",
};

/** Options with a value that tmpfs has: tmpfs(5). */
const VALUED = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol", "huge"];

/**
 * Parses the options of one `--tmpfs`: docker's defaults with the user's words over them.
 * Throws a UserError with docker's text for a word that tmpfs has not.
 */
export function parseTmpfsOptions(text: string): string[] {
  let words = [...DEFAULTS];
  for (const word of text === "" ? [] : text.split(",")) {
    const [key, value] = word.split("=", 2);
    const known = value === undefined ? Object.hasOwn(OPPOSITES, key) : VALUED.includes(key);
    if (!known) {
      const parts = value === undefined ? [key] : [key, value];
      throw new UserError(`invalid tmpfs option [${parts.map(quoteGo).join(" ")}]`);
    }
    words = words.filter((other) =>
      other !== word && other !== OPPOSITES[key] &&
      (value === undefined || !other.startsWith(`${key}=`))
    );
    words.push(word);
  }
  return words;
}

/** The words of a `--mount type=tmpfs`. */
export function tmpfsWords(options: TmpfsOptions = {}, readonly = false): string[] {
  const words = [...DEFAULTS];
  if (readonly) words.push("ro");
  if (options.Mode) words.push(`mode=${options.Mode.toString(8)}`);
  if (options.SizeBytes) words.push(`size=${options.SizeBytes}`);
  for (const pair of options.Options ?? []) {
    if (pair.length < 1 || pair.length > 2) throw new UserError("invalid option array length");
    if (pair[0] !== "exec" && pair[0] !== "noexec") {
      throw new UserError(`invalid option: ${pair[0]}`);
    }
    if (pair[0] === "exec") words.splice(words.indexOf("noexec"), 1);
  }
  return words;
}
