/** Which of the displays of a build: by --progress, by DOCKER_BUILDKIT, by what stderr is. */
import { UserError } from "../base/errors.ts";
import type { BuildDisplay } from "./build_progress.ts";

/** Values of `--progress`. */
export const PROGRESS_MODES = ["auto", "none", "plain", "quiet", "rawjson", "tty"];

/** DOCKER_BUILDKIT=0 asks for the output of docker's classic builder. */
export function isClassic(): boolean {
  return /^(?:0|f|false)$/i.test(Deno.env.get("DOCKER_BUILDKIT") ?? "");
}

/** The display that the flags ask for. Throws UserError. */
export async function displayFor(
  options: { readonly progress?: string; readonly quiet: boolean },
): Promise<BuildDisplay> {
  const { PlainProgress, QuietProgress } = await import("./build_progress.ts");
  const tell = (line: string) => console.error(line);
  const progress = options.progress ?? Deno.env.get("BUILDKIT_PROGRESS") ?? "auto";
  if (!PROGRESS_MODES.includes(progress)) {
    throw new UserError(
      `invalid progress mode ${progress}: want ${PROGRESS_MODES.join(", ")}`,
      125,
    );
  }
  if (options.quiet || progress === "quiet" || progress === "none") return new QuietProgress(tell);
  if (isClassic()) {
    const { ClassicProgress } = await import("../build/classic_output.ts");
    const { writeSync } = Deno.stdout;
    return new ClassicProgress((chunk) => {
      for (let at = 0; at < chunk.length;) at += writeSync.call(Deno.stdout, chunk.subarray(at));
    });
  }
  if (progress === "rawjson") {
    const { RawJsonProgress } = await import("./build_rawjson.ts");
    return new RawJsonProgress(tell);
  }
  if (progress !== "tty" && !(progress === "auto" && Deno.stderr.isTerminal())) {
    return new PlainProgress(tell);
  }
  const { BuildScreen } = await import("./build_screen.ts");
  const { streamOutput } = await import("./progress.ts");
  return new BuildScreen(streamOutput(Deno.stderr));
}
