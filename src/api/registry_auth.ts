/** The name and password for a registry that a client sends with a request. */
import { type GivenCredentials, serverOf } from "../image/credentials.ts";
import { Repository } from "../image/registry.ts";
import { fields, map, text } from "../image/shape.ts";
import { pick } from "./create_body.ts";
import type { Exchange } from "./exchange.ts";
import { ApiError } from "./http_head.ts";

/** What of docker's AuthConfig is looked at. */
export interface AuthConfig {
  readonly username?: string;
  readonly password?: string;
  readonly auth?: string;
  readonly identitytoken?: string;
  readonly serveraddress?: string;
}

/** The shape of an AuthConfig. */
const AUTH_CONFIG = {
  username: text,
  password: text,
  auth: text,
  identitytoken: text,
  serveraddress: text,
};

/** What an AuthConfig says; `null` if that is nothing. */
function credentialsIn(config: AuthConfig): GivenCredentials {
  const { username = "", password = "", identitytoken = "" } = config;
  if (identitytoken !== "") return { kind: "identity", username, token: identitytoken };
  return username === "" ? null : { kind: "password", username, password };
}

/** The credentials of X-Registry-Auth: JSON in base64, as URLs have it. Throws ApiError 400. */
export function givenCredentials({ head }: Exchange): GivenCredentials {
  const header = head.headers.get("x-registry-auth") ?? "";
  if (header === "") return null;
  try {
    const config = decoded(header);
    if (config === null) return null;
    const wrong = fields(AUTH_CONFIG)(config);
    if (wrong === undefined) return credentialsIn(config as AuthConfig);
  } catch {
    // told below
  }
  throw new ApiError(400, "invalid X-Registry-Auth header: want JSON in base64url");
}

/** Of all registries that X-Registry-Config tells of, the one with this name. Throws ApiError 400. */
export function registryCredentials({ head }: Exchange, domain: string): GivenCredentials {
  const header = head.headers.get("x-registry-config") ?? "";
  if (header === "") return null;
  try {
    const all = decoded(header) ?? {};
    if (map(fields(AUTH_CONFIG))(all) === undefined) {
      const found = Object.entries(all as Record<string, AuthConfig>)
        .find(([server]) => serverOf(server) === domain);
      return found === undefined ? null : credentialsIn(found[1]);
    }
  } catch {
    // told below
  }
  throw new ApiError(400, "invalid X-Registry-Config header: want JSON in base64url");
}

/** A value that a header has in base64, as URLs have it. */
function decoded(header: string): unknown {
  const bytes = Uint8Array.fromBase64(header.replace(/=+$/, ""), { alphabet: "base64url" });
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** POST /auth: whether a registry knows a name and a password. */
export async function auth(exchange: Exchange): Promise<void> {
  const config = pick<AuthConfig>(await exchange.body.json(), AUTH_CONFIG, "AuthConfig");
  const domain = serverOf(config.serveraddress || undefined);
  await new Repository(domain, "", "pull", credentialsIn(config) ?? undefined).ping();
  await exchange.json(200, { IdentityToken: "", Status: "Login Succeeded" });
}
