import type { Pull } from "../engine/run.ts";

/** The implicit pull of `run` and `create`, with its progress on stderr. */
export const pullForRun: Pull = async (image, request, client) => {
  const { hostPlatform } = await import("../base/platform.ts");
  const { readReference } = await import("./image_pull.ts");
  const { daemon, imageStore } = await import("./image_context.ts");
  const { plainDisplay } = await import("../engine/layer_display.ts");
  const { pullWithOutput } = await import("../engine/image_pull.ts");
  const write = (line: string) => console.error(line);
  const { Platform: asked } = request;
  const platform = asked && { ...hostPlatform(), ...asked };
  const attempts = 1 + (client.pullRetries ?? 0);
  for (let attempt = 1;; attempt++) {
    try {
      await daemon(() =>
        pullWithOutput(imageStore(), readReference(image), platform ?? undefined, {
          display: plainDisplay(write),
          quiet: client.quiet,
          implicit: true,
          write,
        })
      );
      return;
    } catch (error) {
      if (attempt >= attempts) throw error;
      await new Promise((go) => setTimeout(go, (client.pullRetryDelaySeconds ?? 1) * 1000));
    }
  }
};
