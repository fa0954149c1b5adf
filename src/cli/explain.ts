import { UserError } from "../base/errors.ts";
import { rootDirectory } from "../base/places.ts";
import type { Explained } from "../engine/explain.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./engine_error.ts";
import { explanationText } from "./explain_text.ts";
import { writeOut } from "./output.ts";

function parseForm(text: string): "text" | "json" | "sh" {
  if (text === "text" || text === "json" || text === "sh") return text;
  throw new UserError(`must be one of "text", "json" or "sh"`);
}

export const spec = {
  name: "explain",
  usage: [
    "[OPTIONS] run [RUN OPTIONS] IMAGE [COMMAND] [ARG...]",
    "[OPTIONS] exec [EXEC OPTIONS] CONTAINER COMMAND [ARG...]",
    "[OPTIONS] CONTAINER",
    "[OPTIONS] image IMAGE",
  ],
  summary: "Show what the kernel is asked for a container, and why; nothing is done",
  description: "Of an image: its documents and layers, where they are, and what a container " +
    "makes of them.",
  args: [1, Infinity],
  flagsEnd: "first",
  complete: ["container"],
  flags: {
    as: {
      type: "string",
      parse: parseForm,
      help: 'Form of the output: "text", "json", or "sh": a script that does the same',
      complete: ["text", "json", "sh"],
    },
    json: { type: "bool", help: "Short for --as json" },
  },
  examples: [
    "diplodock explain run -m 64m host sh",
    "diplodock explain --as sh run --network none host sh",
    "diplodock explain web",
    "diplodock explain image busybox",
  ],
} as const satisfies CommandSpec;

const warn = (text: string) => console.error(`WARNING: ${text}`);

/** `diplodock explain`. */
export async function command(words: string[]): Promise<number> {
  const { options, args: [verb, ...rest] } = parseArgs(spec, words);
  const form = options.json ? "json" : options.as ?? "text";
  if (verb === "exec") {
    if (form === "sh") throw new UserError("Cannot explain exec as a script: want text or json");
    return await explainExecCommand(rest, form);
  }
  if (verb === "image" && rest.length === 1) {
    if (form === "sh") {
      throw new UserError("Cannot explain an image as a script: want text or json");
    }
    return await explainImageCommand(rest[0], form);
  }
  const explained = await daemon(() => verb === "run" ? run(rest) : container(verb, rest));
  if (form === "sh") {
    const { scriptOf } = await import("../engine/explain_script.ts");
    await writeOut(scriptOf(explained));
    return 0;
  }
  await show(explained.explanation, form);
  return 0;
}

/** As wide as the terminal is, within what is read with ease. */
function width(): number {
  if (!Deno.stdout.isTerminal()) return 100;
  return Math.min(120, Math.max(60, Deno.consoleSize().columns || 100));
}

async function show(explanation: Explained["explanation"], form: "text" | "json"): Promise<void> {
  if (form === "json") return await writeOut(`${JSON.stringify(explanation, null, 4)}\n`);
  await writeOut(explanationText(explanation, width(), rootDirectory()));
}

async function run(words: string[]): Promise<Explained> {
  const { explainRun } = await import("../engine/explain.ts");
  const { parseRunFlags } = await import("./run_flags.ts");
  const { client, create } = parseRunFlags("run", words);
  for (const warning of client.warnings) warn(warning);
  return await explainRun(create, ["run", ...words], warn);
}

async function container(reference: string, rest: string[]): Promise<Explained> {
  if (rest.length > 0) {
    throw new UserError(
      `Cannot explain "${reference} ${rest.join(" ")}": want run, exec, image, or one container`,
    );
  }
  const { explainContainer } = await import("../engine/explain.ts");
  return await explainContainer(reference, warn);
}

async function explainExecCommand(words: string[], form: "text" | "json"): Promise<number> {
  const { parseExec } = await import("./exec.ts");
  const { explainExec } = await import("../engine/explain_exec.ts");
  const { reference, request } = parseExec(words);
  await show(await daemon(() => explainExec(reference, request)), form);
  return 0;
}

async function explainImageCommand(name: string, form: "text" | "json"): Promise<number> {
  const { explainImage } = await import("../engine/explain_image.ts");
  const { imageText } = await import("./explain_image_text.ts");
  const image = await daemon(() => explainImage(name));
  const json = () => `${JSON.stringify(image, null, 4)}\n`;
  await writeOut(form === "json" ? json() : imageText(image, width(), rootDirectory()));
  return 0;
}
