/**
 * Every endpoint there is: one line each, a file for each group. To add one, write a handler and
 * give it a line here; docs/api.md lists them.
 */
import type { Handler, Route } from "./router.ts";

/** Rows' handlers: `group(() => import("./x.ts"))("name")` loads the group and takes that one. */
const group = <Group>(load: () => Promise<Group>) => (name: HandlerName<Group>) => async () =>
  (await load())[name] as Handler;

type HandlerName<Group> = {
  [Name in keyof Group]: Group[Name] extends Handler ? Name : never;
}[keyof Group];

const system = group(() => import("./system.ts"));
const containers = group(() => import("./containers.ts"));
const life = group(() => import("./container_life.ts"));
const changes = group(() => import("./container_changes.ts"));
const attached = group(() => import("./container_attach.ts"));
const files = group(() => import("./container_files.ts"));
const usage = group(() => import("./container_usage.ts"));
const execs = group(() => import("./execs.ts"));
const logged = group(() => import("./container_logs.ts"));

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
  ["POST", "/containers/{id}/stop", life("stop")],
  ["POST", "/containers/{id}/restart", life("restart")],
  ["POST", "/containers/{id}/kill", life("kill")],
  ["POST", "/containers/{id}/wait", life("wait")],
  ["POST", "/containers/{id}/pause", life("pause")],
  ["POST", "/containers/{id}/unpause", life("unpause")],
  ["DELETE", "/containers/{id}", life("remove")],
  ["POST", "/containers/{id}/rename", changes("rename")],
  ["POST", "/containers/{id}/update", changes("update")],
  ["POST", "/containers/prune", changes("prune")],
  ["POST", "/containers/{id}/attach", attached("attach")],
  ["POST", "/containers/{id}/resize", attached("resize")],
  ["GET", "/containers/{id}/logs", logged("logs")],
  ["GET", "/containers/{id}/top", usage("top")],
  ["GET", "/containers/{id}/stats", usage("stats")],
  ["GET", "/containers/{id}/changes", files("changes")],
  ["GET", "/containers/{id}/export", files("exported")],
  ["HEAD", "/containers/{id}/archive", files("look")],
  ["GET", "/containers/{id}/archive", files("read")],
  ["PUT", "/containers/{id}/archive", files("write")],

  ["POST", "/containers/{id}/exec", execs("create")],
  ["POST", "/exec/{id}/start", execs("start")],
  ["POST", "/exec/{id}/resize", execs("resize")],
  ["GET", "/exec/{id}/json", execs("inspect")],
];
