/**
 * Bundles main.ts into dist/bundle: `main.js`, a file for each group of hot commands, and one chunk
 * for each other dynamic import, so that a command loads little but its own code. Run from the
 * project's folder.
 */
import { type HotGroup, joinHotChunks } from "./merge.ts";
import { BUNDLE } from "./paths.ts";

/** Modules whose code is read at every start of a hot command, by the names of their files. */
const OCI = ["oci", "oci_create"];
const RUN = ["run", "start", "attach", "state", "cleanup", "rm", "sandbox"];
const EXEC = ["exec", "exec_client"];
const COMMIT = ["commit", "sha256"];
const HOT_GROUPS: readonly HotGroup[] = [
  { target: "core.js", hot: EXEC, sharedWith: COMMIT },
  { target: "exec.js", hot: EXEC },
  { target: "start.js", hot: RUN, sharedWith: OCI },
  { target: "image.js", hot: RUN, sharedWith: COMMIT },
  { target: "hot.js", hot: RUN },
  { target: "oci.js", hot: OCI },
  { target: "commit.js", hot: COMMIT },
];

const COMMIT_MARKER = "@DIPLODOCK_COMMIT@";

/** Runs a program to its end; its output, or undefined when it is missing or fails. */
function outputOf(command: string, args: string[]): string | undefined {
  try {
    const result = new Deno.Command(command, { args, stderr: "null" }).outputSync();
    return result.success ? new TextDecoder().decode(result.stdout).trim() : undefined;
  } catch {
    return undefined;
  }
}

/** The commit in twelve digits, "-dirty" behind it for uncommitted changes; "dev" without git. */
function commit(): string {
  const hash = outputOf("git", ["rev-parse", "--short=12", "HEAD"]);
  if (hash === undefined) return "dev";
  const changes = outputOf("git", ["status", "--porcelain", "--untracked-files=no"]);
  return changes === "" ? hash : `${hash}-dirty`;
}

/**
 * Bundles without making it smaller: `joinHotChunks` does that, with care. What Deno says (that
 * `bundle` is experimental) is shown only when it fails.
 */
function bundle(): void {
  const args = ["bundle", "--code-splitting", "--outdir", BUNDLE, "main.ts"];
  const { success, code, stderr } = new Deno.Command(Deno.execPath(), { args }).outputSync();
  if (success) return;
  Deno.stderr.writeSync(stderr);
  Deno.exit(code);
}

/** Writes the commit over its marker in the bundle; returns how many files had it. */
function bakeCommit(value: string): number {
  let found = 0;
  for (const entry of Deno.readDirSync(BUNDLE)) {
    const path = `${BUNDLE}/${entry.name}`;
    const text = Deno.readTextFileSync(path);
    if (!text.includes(COMMIT_MARKER)) continue;
    Deno.writeTextFileSync(path, text.replaceAll(COMMIT_MARKER, value));
    found++;
  }
  return found;
}

if (import.meta.main) {
  await Deno.remove(BUNDLE, { recursive: true }).catch(() => {});
  bundle();
  joinHotChunks(BUNDLE, HOT_GROUPS);
  if (bakeCommit(commit()) === 0) {
    console.error(`Cannot write the commit into ${BUNDLE}: no file has ${COMMIT_MARKER}`);
    Deno.exit(1);
  }
}
