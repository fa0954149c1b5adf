/** Diplodock's own version (semver). */
export const VERSION = "0.1.0";

/**
 * The version of docker's API whose behaviour the commands and the API have, and the oldest that a
 * client may ask for; scripts compare them.
 */
export const API_VERSION = "1.50";
export const MIN_API_VERSION = "1.24";

// build/bundle.ts writes the commit over this marker in the finished bundle.
const BAKED = "@DIPLODOCK_COMMIT@";

/** The git commit the program was built from, "-dirty" behind it; "dev" when run from source. */
export const COMMIT: string = BAKED.startsWith("@") ? "dev" : BAKED;
