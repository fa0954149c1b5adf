/**
 * Every endpoint there is: one line each, a file for each group. To add one, write a handler and
 * give it a line here; docs/api.md lists them.
 */
import type { Handler, Route } from "./router.ts";

const system = (name: keyof typeof import("./system.ts")) => async () =>
  (await import("./system.ts"))[name];
const life = (name: "start" | "wait") => async () => (await import("./container_life.ts"))[name];
const attached = (name: "attach" | "resize") => async () =>
  (await import("./container_attach.ts"))[name];
const containers = (name: "list" | "inspect" | "create") => async (): Promise<Handler> =>
  (await import("./containers.ts"))[name];

// deno-fmt-ignore
export const ROUTES: readonly Route[] = [
  ["GET", "/_ping", system("ping")],
  ["HEAD", "/_ping", system("ping")],
  ["GET", "/version", system("version")],
  ["GET", "/info", system("info")],

  ["GET", "/containers/json", containers("list")],
  ["POST", "/containers/create", containers("create")],
  ["GET", "/containers/{id}/json", containers("inspect")],
  ["POST", "/containers/{id}/start", life("start")],
  ["POST", "/containers/{id}/wait", life("wait")],
  ["POST", "/containers/{id}/attach", attached("attach")],
  ["POST", "/containers/{id}/resize", attached("resize")],
];
