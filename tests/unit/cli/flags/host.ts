/** A client that is not there: an environment, files in memory, a directory. */
import type { ClientHost } from "../../../../src/cli/flags/host.ts";
import type { ProxyConfig } from "../../../../src/cli/flags/env.ts";

/** What a test may set of its client. */
export interface FakeClient {
  env?: Record<string, string>;
  /** Contents by path; null is a directory. */
  files?: Record<string, string | Uint8Array | null>;
  proxies?: ProxyConfig;
}

/** The client as the flags see it; its directory is /home/me. */
export function fakeHost({ env = {}, files = {}, proxies = {} }: FakeClient = {}): ClientHost {
  return {
    cwd: "/home/me",
    env: (name) => env[name],
    allEnv: () => ({ ...env }),
    proxies: () => proxies,
    readFile(path) {
      if (!Object.hasOwn(files, path)) throw new Deno.errors.NotFound(path);
      const content = files[path];
      if (content === null) throw new Deno.errors.IsADirectory(path);
      return typeof content === "string" ? new TextEncoder().encode(content) : content;
    },
  };
}
