/** A machine that runs tests of this project: its sources, its binary, the programs they call. */
import { assert, assertEquals } from "@std/assert";
import { HEAD_BYTES } from "../../build/package.ts";
import { PROGRAM } from "../lib/engine.ts";
import { type MachineContents, runMachine } from "./machine.ts";

const PROJECT = decodeURIComponent(new URL("../..", import.meta.url).pathname).replace(/\/$/, "");

/** What the tests and their scripts call, and what unpacks the binary. */
const PROGRAMS = [
  "cat chmod chown cp cut dd dirname env grep head hostname id ln ls mkdir mknod mktemp mv ps rm",
  "rmdir sed sh sleep sync tail touch tr true wc",
  "ip losetup mount nsenter rdma setpriv systemctl setsid umount unshare",
].join(" ").split(" ").map(pathOf).filter((path) => path !== undefined);

function pathOf(name: string): string | undefined {
  return ["/bin", "/sbin", "/usr/bin", "/usr/sbin"].map((folder) => `${folder}/${name}`)
    .find(exists);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Where the binary has unpacked itself, if it is one that does: unpacking takes more than a minute
 * without KVM, so the machine gets the result.
 */
function unpacked(): string | undefined {
  const { success } = new Deno.Command(PROGRAM, { args: ["--version"] }).outputSync();
  if (!success) throw new Error(`Cannot run ${PROGRAM}`);
  using file = Deno.openSync(PROGRAM);
  const head = new Uint8Array(HEAD_BYTES);
  file.readSync(head);
  const path = /\/var\/cache\/diplodock\/[0-9a-f]{32}/.exec(new TextDecoder().decode(head))?.[0];
  return path !== undefined && exists(path) ? path : undefined;
}

/** Which tests, and in what machine. */
export interface ProjectRun extends Omit<MachineContents, "programs" | "copies" | "script"> {
  /** Test files, from the project's folder. */
  readonly tests: readonly string[];
  /** Lines of sh that come first. */
  readonly prepare?: string;
}

/**
 * Runs the test files in a machine. Fails unless all of their tests pass, and at least `least` of
 * them: tests that are skipped, or not found, would pass as well.
 */
export async function testInMachine(run: ProjectRun, least: number): Promise<void> {
  const folder = unpacked();
  const { code, output } = await runMachine({
    ...run,
    programs: [...PROGRAMS.map((path) => Deno.realPathSync(path)), Deno.execPath()],
    copies: {
      ...Object.fromEntries(PROGRAMS.map((path) => [path, path])),
      [PROGRAM]: "/project/dist/diplodock",
      ...(folder !== undefined && { [folder]: folder }),
      ...Object.fromEntries(
        ["deno.json", "ffi", "src", "tests/lib", ...run.tests]
          .map((path) => [`${PROJECT}/${path}`, `/project/${path}`]),
      ),
    },
    script: `${run.prepare ?? ""}
      cd /project && NO_COLOR=1 '${Deno.execPath()}' test -A --no-check --no-remote --no-lock \\
        ${run.tests.join(" ")} 2>&1`,
  });
  assertEquals(code, 0, output);
  const [, passed, ignored] = /ok \| (\d+) passed \| 0 failed(?: \| (\d+) ignored)?/.exec(output) ??
    [];
  assert(Number(passed) >= least && ignored === undefined, output);
}
