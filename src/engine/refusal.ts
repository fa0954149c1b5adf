/** Which errors are answers to what a user asked, and not faults of the program. */
import { isFileError, UserError } from "../base/errors.ts";

// Told by name: the classes would load what they belong to.
const named = (error: unknown, names: RegExp): error is Error =>
  error instanceof UserError || (error instanceof Error && names.test(error.name));

/**
 * Whether an error tells of what was asked, or of the machine, and not of a bug; messageOf() says
 * what it tells.
 */
export function isRefusal(error: unknown): error is Error {
  return named(error, /^SyscallError$/) || isFileError(error);
}

/** The same for work with images: registries, archives and names have refusals of their own. */
export function isImageRefusal(error: unknown): error is Error {
  return named(error, /^(?:RegistryError|TarError|AmbiguousIdError|BadNameError|PlatformError)$/);
}
