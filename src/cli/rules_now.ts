import { sweepNetworkStates } from "../engine/network.ts";

/** `diplodock __rules`: what the watch executes when somebody else changed rules. */
export async function command(): Promise<number> {
  await sweepNetworkStates();
  return 0;
}
