/** Platforms as people write them: os[/arch[/variant]]. Source: containerd's platform rules. */
import { quoteGo } from "./quote.ts";

/** What an image is made for. */
export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
}

/** A text that is no platform; the message is docker's. */
export class PlatformError extends SyntaxError {
  override name = "PlatformError";
}

const ARCHITECTURES: Record<string, [architecture: string, variant?: string]> = {
  x86_64: ["amd64"],
  "x86-64": ["amd64"],
  aarch64: ["arm64"],
  armhf: ["arm", "v7"],
  armel: ["arm", "v6"],
  i386: ["386"],
  i686: ["386"],
};

/** Words that may stand alone; with both parts anything goes. Source: Go's GOOS and GOARCH. */
const SYSTEMS =
  ("aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 " +
    "solaris windows zos").split(" ");
const KNOWN =
  ("386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 " +
    "mips64p32le ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm").split(" ");

/** This machine as images name it. */
export function hostPlatform(arch: typeof Deno.build.arch = Deno.build.arch): Platform {
  return { os: "linux", architecture: arch === "x86_64" ? "amd64" : "arm64" };
}

/** "v8" is what arm64 means, "v7" what arm means, "v1" what amd64 means. */
function normalVariant(architecture: string, variant: string | undefined): string | undefined {
  if (architecture === "arm64" && (variant === "v8" || variant === "8")) return undefined;
  if (architecture === "amd64" && variant === "v1") return undefined;
  if (architecture === "arm") return `v${(variant ?? "v7").replace(/^v/, "")}`;
  return variant || undefined;
}

/** The canonical spelling of a platform. */
export function normalize(platform: Platform): Platform {
  const lower = platform.architecture.toLowerCase();
  const [architecture, implied] = ARCHITECTURES[lower] ?? [lower];
  const variant = normalVariant(architecture, platform.variant || implied);
  return { os: platform.os.toLowerCase(), architecture, ...(variant && { variant }) };
}

/** What docker says that a part must be. */
const OF_SYSTEM = ["OS ", "OSAndVersion", "^([A-Za-z0-9_-]+)(?:\\\\(([A-Za-z0-9_.-]*)\\\\))?$"];
const OF_OTHERS = ["", "platform", "^[A-Za-z0-9_.-]+$"];

/**
 * Reads "linux/arm64/v8", "linux" or "arm64". Throws PlatformError for more than three parts,
 * other characters than letters, digits, "-", "_" and ".", and a single word that nobody knows.
 */
export function parsePlatform(text: string): Platform {
  const parts = text.split("/");
  if (parts.length > 3) {
    throw new PlatformError(`${quoteGo(text)}: cannot parse platform specifier: invalid argument`);
  }
  for (const [index, part] of parts.entries()) {
    if (/^[A-Za-z0-9_.-]+$/.test(part)) continue;
    const [kind, words, pattern] = index === 0 ? OF_SYSTEM : OF_OTHERS;
    throw new PlatformError(
      `${quoteGo(part)} is an invalid ${kind}component of ${quoteGo(text)}: ${words} specifier ` +
        `component must match "${pattern}": invalid argument`,
    );
  }
  const host = hostPlatform();
  if (parts.length === 1) {
    if (SYSTEMS.includes(parts[0].toLowerCase())) {
      return normalize({ os: parts[0], architecture: host.architecture });
    }
    const alone = normalize({ os: host.os, architecture: parts[0] });
    if (KNOWN.includes(alone.architecture)) return alone;
    throw new PlatformError(
      `"${parts[0]}": unknown operating system or architecture: invalid argument`,
    );
  }
  const [os, architecture, variant] = parts;
  return normalize({ os, architecture, ...(variant && { variant }) });
}
