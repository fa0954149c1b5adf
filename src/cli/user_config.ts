/** The user's own defaults: docker's config.json, as far as it concerns output. */
import { readIfThere } from "../base/files.ts";

/** What is read of the file. */
export interface UserConfig {
  readonly psFormat?: string;
  readonly imagesFormat?: string;
  readonly volumesFormat?: string;
  readonly networksFormat?: string;
  readonly statsFormat?: string;
}

const KEYS = ["psFormat", "imagesFormat", "volumesFormat", "networksFormat", "statsFormat"];

/** Reads $DOCKER_CONFIG/config.json, else ~/.docker/config.json; a file that is broken is told. */
export function readUserConfig(warn: (line: string) => void = console.error): UserConfig {
  const folder = Deno.env.get("DOCKER_CONFIG") || `${Deno.env.get("HOME") ?? "/root"}/.docker`;
  const path = `${folder}/config.json`;
  try {
    const text = readIfThere(path);
    const read: unknown = text === undefined ? {} : JSON.parse(text);
    const texts = Object.entries(read as Record<string, unknown>)
      .filter(([key, value]) => KEYS.includes(key) && typeof value === "string" && value !== "");
    return Object.fromEntries(texts);
  } catch (error) {
    warn(`WARNING: Error loading config file: ${path} - ${(error as Error).message}`);
    return {};
  }
}
