/**
 * Git repositories as build contexts and as sources of ADD, fetched by the machine's git.
 * Source: docker build, "Build context: Git repositories"; git-fetch(1).
 */
import { UserError } from "../base/errors.ts";
import { findProgram } from "../base/programs.ts";
import type { Session } from "../image/session.ts";
import { isThere } from "../image/store.ts";

/** A place in a repository. */
export interface GitAddress {
  readonly remote: string;
  /** A branch, a tag, a commit or any other reference; undefined: what the remote calls HEAD. */
  readonly ref?: string;
  /** "": all of it. */
  readonly subdirectory: string;
}

/** What of a repository is on disk. */
export interface GitCheckout {
  /** That of the repository; the subdirectory lies in it, and may be a link. */
  readonly directory: string;
  readonly commit: string;
}

const REMOTE = /^(?:(?:git|ssh):\/\/.+|[\w.-]+@[\w.-]+:.+|https?:\/\/[^#?]+\.git|github\.com\/.+)$/;

/** Reads an address; undefined: it is not one of a repository. Throws UserError. */
export function parseGit(text: string): GitAddress | undefined {
  const hash = text.indexOf("#");
  const remote = hash < 0 ? text : text.slice(0, hash);
  if (!REMOTE.test(remote)) return undefined;
  const fragment = hash < 0 ? "" : text.slice(hash + 1);
  const colon = fragment.indexOf(":");
  const ref = colon < 0 ? fragment : fragment.slice(0, colon);
  // git would take a word that begins with a dash for a flag.
  if (!/^(?:[\w./@+^~][\w./@+^~-]*)?$/.test(ref)) {
    throw new UserError(`invalid git reference "${ref}" in ${withoutPassword(text)}`);
  }
  return {
    remote: remote.startsWith("github.com/") ? `https://${remote}` : remote,
    ...(ref !== "" && { ref }),
    subdirectory: colon < 0 ? "" : fragment.slice(colon + 1).replace(/^\/+|\/+$/g, ""),
  };
}

/** The address as it may be shown. */
export function withoutPassword(address: string): string {
  return address.replace(/^(\w+:\/\/[^/:@]*):[^/@]*@/, "$1:xxxxx@");
}

/** Fetches one commit and checks it out, with its submodules. Throws UserError. */
export async function fetchGit(
  session: Session,
  { remote, ref }: GitAddress,
  { keepGitDirectory, signal }: {
    readonly keepGitDirectory: boolean;
    readonly signal: AbortSignal;
  },
): Promise<GitCheckout> {
  const directory = session.temporary("git");
  Deno.mkdirSync(directory, { mode: 0o755 });
  const git = new Git(directory, withoutPassword(remote), signal);
  await git.run("init", "--quiet", "--template=", ".");
  await git.run("remote", "add", "origin", remote);
  const isThin = await git.tries("fetch", "--quiet", "--depth=1", "origin", ref ?? "HEAD");
  if (isThin) await git.run("checkout", "--quiet", "--detach", "FETCH_HEAD");
  else await checkOutOfAll(git, ref);
  if (isThere(`${directory}/.gitmodules`)) {
    await git.run("submodule", "--quiet", "update", "--init", "--recursive", "--depth=1");
  }
  const commit = await git.run("rev-parse", "HEAD");
  if (!keepGitDirectory) Deno.removeSync(`${directory}/.git`, { recursive: true });
  return { directory, commit: commit.trim() };
}

/** Servers that are only files, and those that give no commit by its name, give everything. */
async function checkOutOfAll(git: Git, ref: string | undefined): Promise<void> {
  const all = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];
  await git.run("fetch", "--quiet", "origin", ...(ref === undefined ? ["HEAD"] : all));
  const checkout = ["checkout", "--quiet", "--detach"];
  if (ref === undefined) await git.run(...checkout, "FETCH_HEAD");
  else if (!await git.tries(...checkout, `origin/${ref}`)) await git.run(...checkout, ref);
}

/** git in one directory. */
class Git {
  constructor(
    readonly directory: string,
    readonly remote: string,
    readonly signal: AbortSignal,
  ) {}

  /** What a command prints. Throws UserError. */
  async run(...words: string[]): Promise<string> {
    const { success, stdout, stderr } = await this.#output(words);
    if (success) return new TextDecoder().decode(stdout);
    const lines = new TextDecoder().decode(stderr).trim().split("\n");
    const why = lines.find((line) => line.startsWith("fatal: ")) ?? lines.at(-1)!;
    throw new UserError(
      `Cannot fetch git repository ${this.remote}: ${withoutPassword(why)}; see whether ` +
        "`git ls-remote` reaches it",
    );
  }

  /** Whether a command succeeds. */
  async tries(...words: string[]): Promise<boolean> {
    return (await this.#output(words)).success;
  }

  async #output(words: readonly string[]): Promise<Deno.CommandOutput> {
    this.signal.throwIfAborted();
    const program = findProgram("git");
    if (program === undefined) {
      throw new UserError(
        `Cannot fetch git repository ${this.remote}: git is not installed; install it, or clone ` +
          "the repository elsewhere and name the directory",
      );
    }
    const output = await new Deno.Command(program, {
      args: [...words],
      cwd: this.directory,
      clearEnv: true,
      env: environment(),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal: this.signal,
    }).output();
    this.signal.throwIfAborted();
    return output;
  }
}

/** The user's own, but what it says of another repository; and nobody is asked for a password. */
function environment(): Record<string, string> {
  const kept = Object.entries(Deno.env.toObject()).filter(([name]) =>
    !name.startsWith("GIT_") || /^GIT_(?:SSH|SSL|CONFIG|ASKPASS|HTTP|PROXY|TRACE)/.test(name)
  );
  return {
    ...Object.fromEntries(kept),
    GIT_TERMINAL_PROMPT: "0",
    // A submodule may name anything: no file of this machine, and no program.
    GIT_ALLOW_PROTOCOL: "http:https:git:ssh",
  };
}
