/** `HostConfig.SecurityOpt` read into one typed value. */
import { UserError } from "../base/errors.ts";
import { quoteGo } from "../base/quote.ts";

/** What the security options say; absent means the engine's default. */
export interface SecurityOptions {
  noNewPrivileges: boolean;
  /** "unconfined", "builtin", or the JSON text of a profile. */
  seccomp?: string;
  apparmor?: string;
  /** SELinux: "disable", "type:…", "level:…", "user:…", "role:…". */
  labels: string[];
  writableCgroups?: boolean;
}

const WORDS: Record<string, boolean> = {
  "1": true,
  t: true,
  true: true,
  "0": false,
  f: false,
  false: false,
};

const LABEL = /^(disable|(type|level|user|role|filetype):.+)$/;

/** Reads the options. Throws a UserError with docker's text for one that does not exist. */
export function parseSecurityOptions(words: readonly string[]): SecurityOptions {
  const options: SecurityOptions = { noNewPrivileges: false, labels: [] };
  for (const word of words) {
    if (word === "no-new-privileges") options.noNewPrivileges = true;
    else if (word === "writable-cgroups") options.writableCgroups = true;
    else if (word === "disable") options.labels.push(word);
    else readOption(options, word);
  }
  return options;
}

function readOption(options: SecurityOptions, word: string): void {
  const at = word.includes("=") ? word.indexOf("=") : word.indexOf(":");
  if (at < 0) throw new UserError(`invalid --security-opt 1: ${quoteGo(word)}`);
  const [key, value] = [word.slice(0, at), word.slice(at + 1)];
  const unknown = () => new UserError(`invalid --security-opt 2: ${quoteGo(word)}`);
  const boolean = () => {
    const answer = Object.hasOwn(WORDS, value.toLowerCase())
      ? WORDS[value.toLowerCase()]
      : undefined;
    if (answer === undefined) throw unknown();
    return answer;
  };
  switch (key) {
    case "label":
      if (!LABEL.test(value)) {
        throw new UserError(
          `bad label option ${
            quoteGo(value)
          }, valid options 'disable' or \n'user, role, level, type, filetype' followed by ':' and a value`,
        );
      }
      options.labels.push(value);
      return;
    case "apparmor":
      options.apparmor = value;
      return;
    case "seccomp":
      options.seccomp = value;
      return;
    case "no-new-privileges":
      options.noNewPrivileges = boolean();
      return;
    case "writable-cgroups":
      options.writableCgroups = boolean();
      return;
    default:
      throw unknown();
  }
}
