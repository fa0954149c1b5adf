/** Errors of instructions that were read well and could not be carried out. */
import { messageOf, UserError } from "../base/errors.ts";
import { isRefusal } from "../engine/refusal.ts";
import { DockerfileError, type Line } from "./dockerfile.ts";

/** An error, with the lines of the Dockerfile that it is about. */
export class BuildError extends UserError {
  override name = "BuildError";
  readonly first: number;
  readonly last: number;
  /** In capitals. */
  readonly instruction: string;
  constructor(message: string, { name, first, last }: Pick<Line, "name" | "first" | "last">) {
    super(message);
    this.instruction = name;
    this.first = first;
    this.last = last;
  }
}

/** An error of an instruction, with its lines; what is no refusal stays as it is. */
export function located(error: unknown, { line }: { readonly line: Line }): unknown {
  if (error instanceof BuildError || error instanceof DockerfileError) return error;
  const isKnown = isRefusal(error) ||
    error instanceof Error && /^(?:RegistryError|TarError)$/.test(error.name);
  return isKnown ? new BuildError(messageOf(error as Error), line) : error;
}
