/** Diplodock's own version (semver). */
export const VERSION = "0.1.0";

// build/bundle.ts writes the commit over this marker in the finished bundle.
const BAKED = "@DIPLODOCK_COMMIT@";

/** The git commit the program was built from, "-dirty" behind it; "dev" when run from source. */
export const COMMIT: string = BAKED.startsWith("@") ? "dev" : BAKED;
