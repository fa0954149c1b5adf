import { UserError } from "../base/errors.ts";
import { healthChanged } from "../engine/health.ts";

/** `diplodock __health ID STATUS`: what the health program executes when the health changed. */
export async function command([id, status]: string[]): Promise<number> {
  if (!/^[0-9a-f]{64}$/.test(id ?? "") || (status !== "healthy" && status !== "unhealthy")) {
    throw new UserError(`Cannot note the health "${status ?? ""}" of "${id ?? ""}"`);
  }
  await healthChanged(id, status);
  return 0;
}
