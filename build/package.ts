/**
 * Makes the one file out of dist/bundle: by `deno compile`, or, where its base binary can't be
 * had, as a self-extracting file. Says on one line which of the two. Run from the project's folder.
 */
import { OCI_ROOT } from "../src/base/oci_root.ts";
import { DATA_ROOT, RUN_ROOT } from "../src/base/places.ts";
import {
  QUICK_COMMANDS,
  QUICK_START,
  SELF_VARIABLE,
  type StartKind,
  USUAL_START,
} from "../src/base/self.ts";
import { fixAddress } from "./fixed_address.ts";
import { useLargePages } from "./large_pages.ts";
import { BUNDLE, PROGRAM } from "./paths.ts";
import { stub } from "./stub.ts";

/** How long `deno compile` may look for its base binary on a network that swallows packets. */
const COMPILE_LIMIT_MS = 180_000;

/** The head is padded to this size, so that offsets do not depend on what is written in it. */
export const HEAD_BYTES = 49152;

/** Where root unpacks; head.sh names it too. */
const SHARED_CACHE = "/var/cache/diplodock";

/** Where Deno's code will lie: low, far from the heap above it, on a 2 MiB boundary. */
const BASE_ADDRESS = 0x10000000n;

/** What follows the head, in this order. */
interface Parts {
  /** Deno under the program's name: `ps` shows that as the command. */
  readonly program: Uint8Array;
  /** What writes the files below with it. */
  readonly unpack: Uint8Array;
  /** The bundle's files. */
  readonly files: readonly { readonly name: string; readonly bytes: Uint8Array }[];
}

/** Whether the file at `path` runs and knows its version. */
function works(path: string): boolean {
  try {
    return new Deno.Command(path, { args: ["--version"], stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** What Deno's report says at its root: the last of "Caused by", else the error itself. */
function rootCause(report: string): string {
  const [error, causes = ""] = report.split("Stack backtrace:", 1)[0].split("Caused by:");
  const chain = [...causes.matchAll(/^ {4}(?:\d+: )?(.+)$/gm)].map((match) => match[1]);
  return chain.at(-1) ?? /^error: (.*)/m.exec(error)?.[1] ?? "no reason given";
}

/** Tries `deno compile`; the reason why not, or undefined when PROGRAM is made and runs. */
async function compile(): Promise<string | undefined> {
  const made = `${PROGRAM}.compiled`;
  const args = ["compile", "--quiet", "--allow-all", "--no-check", "--no-config", "--no-lock"];
  args.push("--output", made, `${BUNDLE}/main.js`);
  const signal = AbortSignal.timeout(COMPILE_LIMIT_MS);
  const env = { NO_COLOR: "1" };
  const command = new Deno.Command(Deno.execPath(), { args, env, signal, stdout: "null" });
  const { success, stderr } = await command.output();
  if (!success) {
    if (signal.aborted) return `no answer in ${COMPILE_LIMIT_MS / 1000} s`;
    return rootCause(new TextDecoder().decode(stderr));
  }
  if (!works(made)) {
    await Deno.remove(made);
    return "the compiled file does not run";
  }
  Deno.writeFileSync(made, quickStarting(made), { mode: 0o755 });
  await Deno.rename(made, PROGRAM);
}

/**
 * The program at `path` as it starts soonest: with a fixed address (fixed_address.ts) and in huge
 * pages (large_pages.ts). Each is tried out in a file beside it, and left away when it cannot be
 * done or does not run.
 */
function quickStarting(path: string): Uint8Array {
  const original = Deno.readFileSync(path);
  const fixed = original.slice();
  const room = fixAddress(fixed, BASE_ADDRESS);
  if (typeof room === "string" || !runs(fixed)) return original;
  const large = fixed.slice();
  return useLargePages(large, room) === undefined && runs(large) ? large : fixed;
}

/** Whether a program of these bytes runs. */
function runs(bytes: Uint8Array): boolean {
  const trial = `${PROGRAM}.trial`;
  try {
    Deno.writeFileSync(trial, bytes, { mode: 0o755 });
    return works(trial);
  } finally {
    Deno.removeSync(trial);
  }
}

function parts(): Parts {
  const names = [...Deno.readDirSync(BUNDLE)].map((entry) => entry.name).sort();
  return {
    program: quickStarting(Deno.execPath()),
    unpack: Deno.readFileSync("build/unpack.ts"),
    files: names.map((name) => ({ name, bytes: Deno.readFileSync(`${BUNDLE}/${name}`) })),
  };
}

/** The index of the files, as build/unpack.ts reads it. */
function index({ files }: Parts): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify(files.map(({ name, bytes }) => [name, bytes.length])) + "\n",
  );
}

/** SHA-256 over names and contents: equal ids unpack to equal folders. */
async function identity({ program, files }: Parts): Promise<string> {
  const lines: string[] = [USUAL_START, QUICK_START].map(({ flags }) => flags.join(" "));
  for (const { name, bytes } of [...files, { name: "diplodock", bytes: program }]) {
    const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
    lines.push(`${name} ${new Uint8Array(digest).toHex()}`);
  }
  const all = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(lines.join("\n")));
  return new Uint8Array(all).toHex().slice(0, 32);
}

/** The variables head.sh sets for every start, as `NAME=value`; that file is their one place. */
function variables(script: string): string[] {
  const names = /^export (.*)$/m.exec(script)?.[1].split(" ") ?? [];
  return names.filter((name) => name !== SELF_VARIABLE)
    .map((name) => new RegExp(`^${name}=.*$`, "m").exec(script)![0]);
}

/** The head for these parts, padded to HEAD_BYTES: an executable, or the script alone. */
function head(id: string, { program: deno, unpack }: Parts): Uint8Array {
  // tail -c counts from 1
  const unpackAt = HEAD_BYTES + deno.length, filesAt = unpackAt + unpack.length;
  const script = Deno.readTextFileSync("build/head.sh")
    .replaceAll("@ID@", id)
    .replace("@FLAGS@", USUAL_START.flags.join(" "))
    .replace("@CODE@", USUAL_START.code)
    .replace("@QUICK_COMMANDS@", QUICK_COMMANDS.join(" | *:"))
    .replaceAll("@QUICK_FLAGS@", QUICK_START.flags.join(" "))
    .replaceAll("@QUICK_CODE@", QUICK_START.code)
    .replace("@PROGRAM@", `${HEAD_BYTES + 1} ${deno.length}`)
    .replace("@UNPACK@", `${unpackAt + 1} ${unpack.length}`)
    .replace("@FILES@", String(filesAt));
  const home = `${SHARED_CACHE}/${id}`;
  const program = `${home}/diplodock`;
  const start = ({ flags, code }: StartKind) => ({
    denoDir: `DENO_DIR=${home}/${code}`,
    argv: [program, ...flags, `${home}/main.js`],
  });
  const bytes = stub(Deno.build.arch, {
    program,
    home,
    usual: start(USUAL_START),
    quick: start(QUICK_START),
    quickCommands: QUICK_COMMANDS,
    env: variables(script),
    ociRoot: OCI_ROOT,
    dataRoot: DATA_ROOT,
    runRoot: RUN_ROOT,
    script,
  }) ?? new TextEncoder().encode(script);
  if (bytes.length > HEAD_BYTES) throw new RangeError(`Cannot write head: ${bytes.length} bytes`);
  const padded = new Uint8Array(HEAD_BYTES).fill(10);
  padded.set(bytes);
  return padded;
}

async function selfExtracting(): Promise<void> {
  const list = parts();
  const made = `${PROGRAM}.new`;
  {
    using file = Deno.openSync(made, { write: true, create: true, truncate: true, mode: 0o755 });
    const { program, unpack, files } = list;
    const contents = [program, unpack, index(list), ...files.map(({ bytes }) => bytes)];
    for (const bytes of [head(await identity(list), list), ...contents]) {
      for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
    }
  }
  Deno.chmodSync(made, 0o755);
  Deno.renameSync(made, PROGRAM);
}

if (import.meta.main) {
  const reason = await compile();
  if (reason !== undefined) await selfExtracting();
  const size = `${Math.round(Deno.statSync(PROGRAM).size / 1e6)} MB`;
  const kind = reason === undefined
    ? "one file by deno compile"
    : `self-extracting file (deno compile: ${reason})`;
  console.log(`${PROGRAM}: ${kind}, ${size}`);
}
