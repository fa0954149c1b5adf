/** Which errors are answers to what a user asked, and not faults of the program. */
import { UserError } from "../base/errors.ts";

const REFUSALS = /^(?:RegistryError|TarError|AmbiguousIdError|BadNameError|PlatformError)$/;

/** Whether `error` says, in words for the user, why something cannot be. */
export function isRefusal(error: unknown): error is Error {
  return error instanceof UserError || (error instanceof Error && REFUSALS.test(error.name));
}
