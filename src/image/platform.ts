/** Which of the images behind one name fits a machine. Source: containerd's platform rules. */
import { normalize } from "../base/platform.ts";
import type { Descriptor, ImagePlatform } from "./types.ts";

/** "linux/arm64/v8" without empty parts. */
export function formatPlatform(platform: ImagePlatform): string {
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join("/");
}

/** Docker's words for an image of another platform than the one asked for. */
export function mismatch(name: string, have: ImagePlatform, want: ImagePlatform): string {
  return `image with reference ${name} was found but its platform (${formatPlatform(have)}) does ` +
    `not match the specified platform (${formatPlatform(want)})`;
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
  // As docker: before it compared variants, any of arm's would do.
  const isArm = ({ os, architecture }: ImagePlatform) =>
    os === want.os && architecture === "arm" && want.architecture === "arm";
  const arm = manifests.find(({ platform }) =>
    platform !== undefined && isArm(normalize(platform))
  );
  if (arm !== undefined) return arm;
  return manifests.length === 1 && manifests[0].platform === undefined ? manifests[0] : undefined;
}
