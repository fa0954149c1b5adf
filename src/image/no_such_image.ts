/** The refusal of a name that no image has. On the way of `ps`: free of `node:` imports. */
import { UserError } from "../base/errors.ts";
import { BadNameError, familiarName, parseReference, withDefaultTag } from "./reference.ts";

/** An image that is not here. `message` is docker's without its prefix. */
export class NoSuchImageError extends UserError {
  override name = "NoSuchImageError";
  constructor(name: string) {
    super(`No such image: ${nameWithTag(name)}`);
  }
}

/** As docker repeats a name in errors: with ":latest", ids as they are. */
function nameWithTag(name: string): string {
  if (/^sha256:[0-9a-f]+$/.test(name) || /^[0-9a-f]{64}$/.test(name)) return name;
  try {
    return familiarName(withDefaultTag(parseReference(name)));
  } catch (error) {
    if (error instanceof BadNameError) return name;
    throw error;
  }
}
