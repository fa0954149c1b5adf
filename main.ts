import { isInsideRootless } from "./src/base/places.ts";
import { guardConsole } from "./src/base/controls.ts";
import { calledName, untidyCodeCache } from "./src/base/self.ts";
import { resolve } from "./src/cli/commands.ts";

/** Runs one command line; the exit code. Errors are printed here and nowhere else. */
async function main(args: string[]): Promise<number> {
  // Engines are given a path to their OCI runtime, and no word to put behind it.
  if (calledName().endsWith("-oci")) return await (await import("./src/cli/oci.ts")).command(args);
  guardConsole();
  const request = resolve(args);
  try {
    if (request.kind === "command") {
      if (Deno.uid() !== 0) {
        const { enterIfNeeded } = await import("./src/cli/rootless.ts");
        enterIfNeeded(request.name, request.rest, args);
      }
      const { command } = await request.row.load();
      return await command(request.rest);
    }
    const { front } = await import("./src/cli/front.ts");
    return await front(request);
  } catch (error) {
    const { report } = await import("./src/cli/exit.ts");
    return await report(error, request.path);
  } finally {
    if (isInsideRootless()) {
      const { leave } = await import("./src/cli/rootless.ts");
      leave();
    }
  }
}

/** Makes the next start faster, where this one made it slower. */
async function tidyCodeCache(): Promise<void> {
  const directory = untidyCodeCache();
  if (directory === undefined) return;
  const { emptyLogs } = await import("./src/base/code_cache.ts");
  emptyLogs(directory);
}

// As docker's daemon has it: what the user's shell has is no matter of containers and their files.
Deno.umask(0o022);
// Deno.exit() and not Deno.exitCode: an open listener or a pending read must not keep us here.
const code = await main(Deno.args);
await tidyCodeCache();
Deno.exit(code);
