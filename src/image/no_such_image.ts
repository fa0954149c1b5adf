/** The refusal of a name that no image has. On the way of `ps`: free of `node:` imports. */
import { UserError } from "../base/errors.ts";
import { BadNameError, familiarName, parseReference, withDefaultTag } from "./reference.ts";

/** An image that is not here; its name is one. `message` is docker's without its prefix. */
export class NoSuchImageError extends UserError {
  override name = "NoSuchImageError";
  constructor(name: string) {
    super(`No such image: ${nameWithTag(name)}`);
  }
}

/** The refusal of what no image is found by: a name that can't be one is told apart. */
export function noSuchImage(name: string): NoSuchImageError | BadNameError {
  if (isId(name)) return new NoSuchImageError(name);
  try {
    parseReference(name);
  } catch (error) {
    if (error instanceof BadNameError) return error;
    throw error;
  }
  return new NoSuchImageError(name);
}

const isId = (name: string): boolean => /^(?:sha256:[0-9a-f]+|[0-9a-f]{64})$/.test(name);

/** As docker repeats a name in errors: with ":latest", ids with what they are a hash of. */
function nameWithTag(name: string): string {
  if (isId(name)) return name.startsWith("sha256:") ? name : `sha256:${name}`;
  return familiarName(withDefaultTag(parseReference(name)));
}
