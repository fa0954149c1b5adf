/**
 * How the program starts itself again. It runs in one of three kinds: compiled into one file
 * (`deno compile`), unpacked from the self-extracting file, or from source.
 */

/**
 * Flags the self-extracting file gives to `deno run`: the bundle needs no configuration, no lock
 * file and nothing from the network, so Deno need not look for any. It is to be quiet: its
 * display of progress, of which there is none, erases the terminal's line over and over.
 */
const FLAGS = [
  "run",
  "--quiet",
  "--allow-all",
  "--no-config",
  "--no-lock",
  "--no-remote",
  "--no-npm",
  "--cached-only",
] as const;

/** How the self-extracting file starts a command. */
export interface StartKind {
  readonly flags: readonly string[];
  /** The folder, beside the program, for the code that V8 compiled: it is only good for its flags. */
  readonly code: string;
}

/**
 * V8 compiles functions when a file is loaded and not when they are called, as only the former is
 * kept for the next start (17 ms less for each `run`, measured).
 */
export const USUAL_START: StartKind = { flags: [...FLAGS, "--v8-flags=--no-lazy"], code: "deno" };

/**
 * For commands that end, or wait for others, before it pays to compile their functions for speed
 * and to collect their garbage: a tenth less work for each `run`, measured.
 */
export const QUICK_START: StartKind = {
  flags: [...FLAGS, "--v8-flags=--no-lazy,--max-opt=0,--min-semi-space-size=16"],
  code: "deno-quick",
};

/** The first words of a command line that are started so; and all for an OCI runtime. */
export const QUICK_COMMANDS: readonly string[] = [
  ...["run", "exec", "create", "start", "attach", "stop", "restart", "kill", "rm", "wait", "pause"],
  ...["unpause", "rename", "update", "ps", "port", "top", "inspect", "images", "tag", "version"],
  ...["network", "volume", "oci", "__cleanup", "__complete", "__health", "__restart", "__rules"],
  ...["__exec_ended", "commit"],
];

/** The self-extracting file leaves its own path, as it was called, in this variable. */
export const SELF_VARIABLE = "DIPLODOCK_SELF";

// Taken at start-up: a relative path means something else after Deno.chdir().
const startDirectory = Deno.env.get(SELF_VARIABLE)?.startsWith("/") === false ? Deno.cwd() : "";

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** The path by which a self-extracting file was called, absolute; undefined in the other kinds. */
function outerFile(): string | undefined {
  const called = Deno.env.get(SELF_VARIABLE);
  if (called === undefined || Deno.build.standalone || isFromSource()) return undefined;
  return called.startsWith("/") ? called : `${startDirectory}/${called}`;
}

/** A program on the disk with its arguments and environment. */
export interface Command {
  readonly file: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
}

/** How another process executes this program with `words`, in our environment. */
export function ownCommand(...words: string[]): Command {
  const [file, ...before] = selfCommand();
  return {
    file,
    argv: [file, ...before, ...words],
    env: Object.entries(Deno.env.toObject()).map(([key, value]) => `${key}=${value}`),
  };
}

function isFromSource(): boolean {
  return Deno.mainModule.endsWith(".ts");
}

/**
 * The words that start this program again; arguments go behind them. Absolute paths only, so
 * they hold in another working directory. They name the file the user keeps (which unpacks
 * again when its cache was emptied) as long as it exists, else what runs now.
 */
export function selfCommand(): string[] {
  if (Deno.build.standalone) return [Deno.execPath()];
  const outer = outerFile();
  if (outer !== undefined && isFile(outer)) return [outer];
  const main = decodeURIComponent(new URL(Deno.mainModule).pathname);
  if (isFromSource()) return [Deno.execPath(), "run", "--allow-all", main];
  return [Deno.execPath(), ...runningFlags(), main];
}

/**
 * The words that start what runs now, for a process that goes on as itself at once: without the way
 * by the self-extracting file, which is there for later.
 */
export function runningCommand(): string[] {
  if (Deno.build.standalone || isFromSource()) return selfCommand();
  const main = decodeURIComponent(new URL(Deno.mainModule).pathname);
  return [Deno.execPath(), ...runningFlags(), main];
}

/** Those this process was started with: its folder of compiled code is inherited with them. */
function runningFlags(): readonly string[] {
  return (quickHome() === undefined ? USUAL_START : QUICK_START).flags;
}

/** What the folders of compiled code lie in, if this process was started as a quick one. */
function quickHome(): string | undefined {
  const directory = Deno.env.get("DENO_DIR");
  const end = `/${QUICK_START.code}`;
  return directory?.endsWith(end) ? directory.slice(0, -end.length) : undefined;
}

/**
 * How a command that was started as a quick one, and finds that it has much to do, starts again as
 * a usual one; undefined: it is one.
 */
export function usualCommand(words: readonly string[]): Command | undefined {
  const home = quickHome();
  if (home === undefined) return undefined;
  const main = decodeURIComponent(new URL(Deno.mainModule).pathname);
  const file = Deno.execPath();
  const env = { ...Deno.env.toObject(), DENO_DIR: `${home}/${USUAL_START.code}` };
  return {
    file,
    argv: [file, ...USUAL_START.flags, main, ...words],
    env: Object.entries(env).map(([key, value]) => `${key}=${value}`),
  };
}

/**
 * The name the program was called by, without folders: a link whose name ends in `-oci` makes
 * it an OCI runtime. argv[0] for a compiled file, "diplodock" when run from source.
 */
export function calledName(): string {
  const path = Deno.build.standalone
    ? Deno.readTextFileSync("/proc/self/cmdline").split("\0", 1)[0]
    : outerFile() ?? "diplodock";
  return path.slice(path.lastIndexOf("/") + 1);
}

/** A log of compiled code that is longer makes each start slower by what a read of it takes. */
const LONG_LOG_BYTES = 200_000;

/**
 * The folder of the code that V8 compiled for the self-extracting file, if it wants to be tidied:
 * that is so after commands were used for the first time.
 */
export function untidyCodeCache(): string | undefined {
  const directory = Deno.env.get("DENO_DIR");
  if (directory === undefined || outerFile() === undefined) return undefined;
  try {
    const { size } = Deno.statSync(`${directory}/v8_code_cache_v2-wal`);
    return size > LONG_LOG_BYTES ? directory : undefined;
  } catch {
    return undefined;
  }
}
