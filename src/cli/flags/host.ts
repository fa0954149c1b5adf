/** What the flags of `run` may ask of the client's machine: nothing else is looked at. */
import type { ProxyConfig } from "./env.ts";

/** The client's surroundings. Tests give their own. */
export interface ClientHost {
  /** Absolute; relative sources of binds start here. */
  readonly cwd: string;
  /** One environment variable. */
  env(name: string): string | undefined;
  /** All of them, for `--env-host`. */
  allEnv(): Record<string, string>;
  /** Throws Deno's errors. */
  readFile(path: string): Uint8Array;
  /** The proxies of the client's config.json, empty where there are none. */
  proxies(): ProxyConfig;
}

/** Reads `proxies.default` of docker's config.json. A file that is not there or broken has none. */
function configuredProxies(): ProxyConfig {
  const folder = Deno.env.get("DOCKER_CONFIG") ?? `${Deno.env.get("HOME") ?? "/root"}/.docker`;
  try {
    const config = JSON.parse(Deno.readTextFileSync(`${folder}/config.json`));
    return config?.proxies?.default ?? {};
  } catch {
    return {};
  }
}

/** This machine. */
export function systemHost(): ClientHost {
  return {
    cwd: Deno.cwd(),
    env: (name) => Deno.env.get(name),
    allEnv: () => Deno.env.toObject(),
    readFile: (path) => Deno.readFileSync(path),
    proxies: configuredProxies,
  };
}
