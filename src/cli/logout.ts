import { eraseCredentials, serverOf } from "../image/credentials.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { shownServer } from "./login.ts";

export const spec = {
  name: "logout",
  usage: "[SERVER]",
  summary: "Log out from a registry",
  description: "Log out from a registry.\nIf no server is specified, Docker Hub is the default.",
  args: [0, 1],
  flags: {},
  examples: ["diplodock logout localhost:5000"],
} as const satisfies CommandSpec;

/** `diplodock logout`. Not having been logged in is no failure. */
export async function command(args: string[]): Promise<number> {
  const { args: [server] } = parseArgs(spec, args);
  const domain = serverOf(server);
  const shown = shownServer(domain);
  console.log(`Removing login credentials for ${shown}`);
  await eraseCredentials(domain);
  return 0;
}
