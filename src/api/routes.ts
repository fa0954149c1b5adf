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
const images = group(() => import("./images.ts"));
const transfers = group(() => import("./image_transfers.ts"));
const registry = group(() => import("./registry_auth.ts"));
const networks = group(() => import("./networks.ts"));
const volumes = group(() => import("./volumes.ts"));
const happened = group(() => import("./events.ts"));
const builds = group(() => import("./build.ts"));
const cache = group(() => import("./build_cache.ts"));
const usedDisk = group(() => import("./disk_usage.ts"));
const distribution = group(() => import("./distribution.ts"));
const elsewhere = group(() => import("./elsewhere.ts"));

/** docker's endpoints of a swarm; each of `things` is listed, made, looked at, changed, removed. */
const OF_SWARM: readonly (readonly [method: string, pattern: string])[] = [
  ["GET", "/swarm"],
  ["GET", "/swarm/unlockkey"],
  ["POST", "/swarm/update"],
  ["POST", "/swarm/unlock"],
  ["GET", "/services/{id}/logs"],
  ["GET", "/tasks/{id}/logs"],
  ...["nodes", "services", "tasks", "secrets", "configs"].flatMap((things) =>
    [
      ["GET", `/${things}`],
      ["POST", `/${things}/create`],
      ["GET", `/${things}/{id}`],
      ["POST", `/${things}/{id}/update`],
      ["DELETE", `/${things}/{id}`],
    ] as const
  ),
];

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

  ["GET", "/images/json", images("list")],
  ["POST", "/auth", registry("auth")],
  ["GET", "/images/search", images("search")],
  ["GET", "/images/get", transfers("save")],
  ["POST", "/images/create", transfers("create")],
  ["POST", "/images/load", transfers("load")],
  ["POST", "/images/prune", images("prune")],
  ["GET", "/images/{name...}/json", images("inspect")],
  ["GET", "/images/{name...}/history", images("history")],
  ["GET", "/images/{name...}/get", transfers("save")],
  ["POST", "/images/{name...}/tag", images("tag")],
  ["POST", "/images/{name...}/push", transfers("push")],
  ["DELETE", "/images/{name...}", images("remove")],
  ["POST", "/commit", transfers("commit")],

  ["GET", "/networks", networks("list")],
  ["POST", "/networks/create", networks("create")],
  ["POST", "/networks/prune", networks("prune")],
  ["GET", "/networks/{id...}", networks("inspect")],
  ["DELETE", "/networks/{id}", networks("remove")],
  ["POST", "/networks/{id}/connect", networks("connect")],
  ["POST", "/networks/{id}/disconnect", networks("disconnect")],

  ["GET", "/volumes", volumes("list")],
  ["POST", "/volumes/create", volumes("create")],
  ["POST", "/volumes/prune", volumes("prune")],
  ["GET", "/volumes/{name...}", volumes("inspect")],
  ["DELETE", "/volumes/{name}", volumes("remove")],

  ["GET", "/events", happened("events")],

  ["GET", "/distribution/{name...}/json", distribution("inspect")],
  ["GET", "/system/df", usedDisk("diskUsage")],
  ["POST", "/build", builds("build")],
  ["POST", "/build/prune", cache("prune")],
  ["POST", "/session", elsewhere("session")],
  ["GET", "/plugins", elsewhere("plugins")],
  ["POST", "/plugins/pull", elsewhere("addPlugin")],
  ["POST", "/plugins/create", elsewhere("addPlugin")],
  ["GET", "/plugins/{name...}/json", elsewhere("plugin")],
  ["POST", "/plugins/{name...}/{act}", elsewhere("plugin")],
  ["DELETE", "/plugins/{name...}", elsewhere("plugin")],
  ["POST", "/swarm/init", elsewhere("makeSwarm")],
  ["POST", "/swarm/join", elsewhere("makeSwarm")],
  ["POST", "/swarm/leave", elsewhere("leaveSwarm")],
  ...OF_SWARM.map(([method, pattern]): Route => [method, pattern, elsewhere("swarm")]),
];
