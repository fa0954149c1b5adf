import { serveStandardStreams } from "../api/stdio.ts";
import { type CommandSpec, parseArgs } from "./args.ts";

export const spec = {
  name: "system dial-stdio",
  usage: "",
  summary: "Speak docker's API on stdin and stdout, for one connection",
  description: "Answers the requests of one client, as docker's daemon would on its socket, and\n" +
    "ends with the connection. Docker's clients run it by themselves on a machine they\n" +
    "reach by ssh, where it has to be found by the name docker:\n" +
    "  ln -s $(command -v diplodock) /usr/local/bin/docker",
  args: [0, 0],
  flags: {},
  examples: [
    "printf 'GET /_ping HTTP/1.1\\r\\nHost: d\\r\\n\\r\\n' | diplodock system dial-stdio",
    "DOCKER_HOST=ssh://root@server docker ps",
  ],
} as const satisfies CommandSpec;

/** `diplodock system dial-stdio`. */
export async function command(words: string[]): Promise<number> {
  parseArgs(spec, words);
  await serveStandardStreams();
  return 0;
}
