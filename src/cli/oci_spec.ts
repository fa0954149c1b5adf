import { UserError } from "../base/errors.ts";
import { isAbsent } from "../base/files.ts";
import { defaultSpec, rootlessSpec } from "../runtime/oci_default_spec.ts";
import type { OciCommand } from "./oci_context.ts";

/** Writes a new file; one that is there is somebody's work. */
function writeNew(path: string, text: string): void {
  try {
    Deno.writeTextFileSync(path, text, { createNew: true, mode: 0o666 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new UserError("File config.json exists. Remove it first");
    }
    if (!isAbsent(error)) throw error;
    throw new UserError(`chdir ${path.replace(/\/config\.json$/, "")}: no such file or directory`);
  }
}

/** `spec`. */
export const SPEC: OciCommand = {
  summary: "write a config.json to start from",
  usage: "[command options]",
  options: {
    bundle: { kind: "text", short: "b", help: "directory of the bundle (default: here)" },
    rootless: { kind: "bool", help: "for a container of an ordinary user" },
  },
  args: [0, 0],
  run: (_, given) => {
    const spec = given.flag("rootless")
      ? rootlessSpec(Deno.uid() ?? 0, Deno.gid() ?? 0)
      : defaultSpec();
    writeNew(`${given.text("bundle") || "."}/config.json`, JSON.stringify(spec, null, "\t"));
    return 0;
  },
};
