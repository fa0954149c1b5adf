import { defaultSocket, serveSocket, socketPath } from "../engine/api_service.ts";
import { type CommandSpec, parseArgs } from "./args.ts";

export const spec = {
  name: "system service",
  usage: "[SOCKET]",
  summary: "Serve docker's API on a local socket",
  description:
    "Listens on SOCKET (unix:///run/diplodock.sock, or what systemd passes on) and starts\n" +
    "a process for each connection, which ends with it. What stays is a program of a few\n" +
    "pages. Whoever may write to the socket is root on this machine: it is for root and for\n" +
    "the members of group docker. Runs until SIGTERM or SIGINT; containers go on.",
  args: [0, 1],
  flags: {},
  examples: [
    "diplodock system service &",
    "DOCKER_HOST=unix:///run/diplodock.sock docker-compose up",
    "diplodock system service unix:///run/docker.sock",
  ],
} as const satisfies CommandSpec;

/** `diplodock system service`: this process becomes the program that listens. */
export function command(words: string[]): number {
  const { args } = parseArgs(spec, words);
  serveSocket(args.length > 0 ? socketPath(args[0]) : defaultSocket());
}
