/** What the engine is: /_ping, /version, /info. */
import { API_VERSION, COMMIT, MIN_API_VERSION, VERSION } from "../base/version.ts";
import { engineInfo } from "../engine/info.ts";
import type { Exchange } from "./exchange.ts";

const ARCHITECTURE = Deno.build.arch === "aarch64" ? "arm64" : "amd64";

/** GET and HEAD /_ping: clients learn from the headers which version to speak. */
export async function ping(exchange: Exchange): Promise<void> {
  const type = "text/plain; charset=utf-8";
  await exchange.bytes(200, type, new TextEncoder().encode("OK"), {
    "Builder-Version": "1",
    "Cache-Control": "no-cache, no-store, must-revalidate",
    Pragma: "no-cache",
    Swarm: "inactive",
  });
}

/** GET /version. */
export async function version(exchange: Exchange): Promise<void> {
  const details = {
    ApiVersion: API_VERSION,
    Arch: ARCHITECTURE,
    Experimental: "false",
    GitCommit: COMMIT,
    KernelVersion: Deno.osRelease(),
    MinAPIVersion: MIN_API_VERSION,
    Os: "linux",
  };
  await exchange.json(200, {
    Platform: { Name: "Diplodock" },
    Components: [{ Name: "Engine", Version: VERSION, Details: details }],
    Version: VERSION,
    ApiVersion: API_VERSION,
    MinAPIVersion: MIN_API_VERSION,
    GitCommit: COMMIT,
    GoVersion: "",
    Os: "linux",
    Arch: ARCHITECTURE,
    KernelVersion: Deno.osRelease(),
  });
}

/** GET /info. */
export async function info(exchange: Exchange): Promise<void> {
  await exchange.json(200, await engineInfo());
}
