/** Which of the images behind one name fits a machine. Source: containerd's platform rules. */
import type { Descriptor, ImagePlatform } from "./types.ts";

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
export function hostPlatform(arch: typeof Deno.build.arch = Deno.build.arch): ImagePlatform {
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
export function normalize(platform: ImagePlatform): ImagePlatform {
  const lower = platform.architecture.toLowerCase();
  const [architecture, implied] = ARCHITECTURES[lower] ?? [lower];
  const variant = normalVariant(architecture, platform.variant || implied);
  return { os: platform.os.toLowerCase(), architecture, ...(variant && { variant }) };
}

/**
 * Reads "linux/arm64/v8", "linux" or "arm64". Throws SyntaxError with docker's text for more
 * than three parts or other characters than letters, digits, "-", "_" and ".".
 */
export function parsePlatform(text: string): ImagePlatform {
  const parts = text.split("/");
  if (parts.length > 3) {
    throw new SyntaxError(`"${text}": cannot parse platform specifier: invalid argument`);
  }
  for (const part of parts) {
    if (!/^[A-Za-z0-9_.-]+$/.test(part)) {
      throw new SyntaxError(
        `"${part}" is an invalid component of "${text}": platform specifier component must ` +
          `match "^[A-Za-z0-9_.-]+$": invalid argument`,
      );
    }
  }
  const host = hostPlatform();
  if (parts.length === 1) {
    if (SYSTEMS.includes(parts[0].toLowerCase())) {
      return normalize({ os: parts[0], architecture: host.architecture });
    }
    const alone = normalize({ os: host.os, architecture: parts[0] });
    if (KNOWN.includes(alone.architecture)) return alone;
    throw new SyntaxError(
      `"${parts[0]}": unknown operating system or architecture: invalid argument`,
    );
  }
  const [os, architecture, variant] = parts;
  return normalize({ os, architecture, ...(variant && { variant }) });
}

/** "linux/arm64/v8" without empty parts. */
export function formatPlatform(platform: ImagePlatform): string {
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join("/");
}

/** How well an image for `have` serves a machine that wants `want`; below 0: not at all. */
function fitness(want: ImagePlatform, have: ImagePlatform): number {
  const [w, h] = [normalize(want), normalize(have)];
  if (w.os !== h.os) return -1;
  if (w.architecture === h.architecture) {
    if (w.variant === h.variant) return 100;
    const [wanted, offered] = [w.variant, h.variant].map((v) => Number((v ?? "v1").slice(1)));
    // An older variant of the same architecture runs as well; the newest of them is the best.
    return offered <= wanted ? offered : -1;
  }
  return -1;
}

/** Whether an image for `have` runs on a machine that wants `want`. */
export function platformFits(want: ImagePlatform, have: ImagePlatform): boolean {
  return fitness(want, have) >= 0;
}

/** The best entry for `want`; entries without a platform count only if nothing else is there. */
export function selectPlatform(
  manifests: readonly Descriptor[],
  want: ImagePlatform,
): Descriptor | undefined {
  let best: Descriptor | undefined;
  let bestFitness = -1;
  for (const manifest of manifests) {
    if (manifest.platform === undefined) continue;
    const fit = fitness(want, manifest.platform);
    if (fit > bestFitness) [best, bestFitness] = [manifest, fit];
  }
  if (best !== undefined) return best;
  return manifests.length === 1 && manifests[0].platform === undefined ? manifests[0] : undefined;
}
