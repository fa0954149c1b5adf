/** Where the build puts things, relative to the project's folder. */

/** The finished program. */
export const PROGRAM = "dist/diplodock";

/** The bundled JavaScript: `main.js` and one chunk for each lazily loaded command. */
export const BUNDLE = "dist/bundle";
