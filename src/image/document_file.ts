/** Files of the store that hold one JSON value. A power cut may have left them empty or cut short. */
import { UserError } from "../base/errors.ts";
import { readIfThere } from "../base/files.ts";

/** The value in `path`; undefined without a file. Throws UserError saying what is lost, and `remedy`. */
export function readDocumentFile<T>(path: string, what: string, remedy: string): T | undefined {
  return parseDocument(readIfThere(path), path, what, remedy);
}

/** The same of `text`, which is that of `path`. */
export function parseDocument<T>(
  text: string | undefined,
  path: string,
  what: string,
  remedy: string,
): T | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as T;
  } catch {
    // told below
  }
  throw new UserError(`Cannot read ${what}: ${path} is damaged; ${remedy}`);
}
