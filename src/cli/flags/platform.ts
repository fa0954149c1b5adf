/** `--platform os[/arch[/variant]]`. */
import { quoteGo } from "../../base/quote.ts";
import type { Platform } from "../../engine/types.ts";
import { badFlag } from "./units.ts";

/** Other names of architectures, as uname(2) and Debian have them. */
const ARCHITECTURES: Record<string, [architecture: string, variant?: string]> = {
  "x86_64": ["amd64"],
  "x86-64": ["amd64"],
  "i386": ["386"],
  "i686": ["386"],
  "aarch64": ["arm64"],
  "armhf": ["arm", "v7"],
  "armel": ["arm", "v6"],
};

const SYSTEMS = ["linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris"];

/** Parses `--platform`. One word is an operating system or an architecture. */
export function parsePlatform(text: string): Platform {
  const fail = (part: string, pattern: string, kind: string) =>
    badFlag(
      `error parsing specified platform: ${quoteGo(part)} is an invalid ${kind}component of ` +
        `${quoteGo(text)}: ${pattern}: invalid argument`,
    );
  const parts = text.toLowerCase().split("/");
  if (parts.length > 3) {
    badFlag(
      `error parsing specified platform: ${quoteGo(text)}: cannot parse platform specifier: ` +
        "invalid argument",
    );
  }
  for (const [index, part] of parts.entries()) {
    if (/^[a-z0-9_.-]+$/.test(part)) continue;
    if (index === 0) {
      const pattern = "^([A-Za-z0-9_-]+)(?:\\\\(([A-Za-z0-9_.-]*)\\\\))?$";
      fail(part, `OSAndVersion specifier component must match "${pattern}"`, "OS ");
    }
    fail(part, 'platform specifier component must match "^[A-Za-z0-9_.-]+$"', "");
  }
  const [first, second, third] = parts;
  if (second === undefined && SYSTEMS.includes(first)) return { os: first };
  const [os, named] = second === undefined ? ["linux", first] : [first, second];
  const [architecture, variant = third] = ARCHITECTURES[named] ?? [named];
  return { os, architecture, ...(variant !== undefined && { variant }) };
}
