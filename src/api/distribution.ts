/** GET /distribution/{name}/json: what a registry has under a name. */
import { parseReference } from "../image/reference.ts";
import { problemText, RegistryError } from "../image/registry_error.ts";
import { inspectDistribution } from "../image/remote_manifest.ts";
import type { Exchange } from "./exchange.ts";
import { ApiError } from "./http_head.ts";
import { givenCredentials } from "./registry_auth.ts";

/** Nothing is pulled; credentials come with the request. */
export async function inspect(exchange: Exchange): Promise<void> {
  const reference = parseReference(exchange.parts.name);
  try {
    const { platforms, ...descriptor } = await inspectDistribution(
      reference,
      givenCredentials(exchange),
    );
    await exchange.json(200, { Descriptor: descriptor, Platforms: platforms });
  } catch (error) {
    // As docker: the registry's own status and words.
    if (!(error instanceof RegistryError) || error.problems.length === 0) throw error;
    throw new ApiError(error.status, error.problems.map(problemText).join("; "));
  }
}
