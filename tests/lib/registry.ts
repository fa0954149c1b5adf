/** Registries for tests: Debian's docker-registry with any kind of login, and one that lies. */
import { bytesOf } from "../../src/image/byte_string.ts";
import { waitFor } from "./engine.ts";
import { read } from "./oci_box.ts";
import { hasProgram } from "./skip.ts";

/** How the registry asks who we are. */
export type Login = "none" | "basic" | "token";

export const USER = "tester";
export const PASSWORD = "s3cret pa:ss";
// bcrypt of PASSWORD, so that no htpasswd program is needed.
const HTPASSWD = "tester:$2y$05$xdDp50h4wQDBmrpWOFijI.gVHEMqcM1e7071x.ByECviTG8Sggh42\n";

/** A port nobody listens on. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Whether the peers of these tests are installed. */
export function canServe(): boolean {
  return hasProgram("docker-registry") && hasProgram("openssl");
}

/** A running docker-registry on 127.0.0.1, with its own directory. */
export class Registry implements AsyncDisposable {
  private constructor(
    readonly host: string,
    readonly directory: string,
    readonly process: Deno.ChildProcess,
    readonly tokens: Deno.HttpServer | undefined,
  ) {}

  /** Starts one; it listens on return. Port 0: one that is free. */
  static async start(login: Login = "none", port = 0): Promise<Registry> {
    const directory = Deno.makeTempDirSync({ prefix: "diplodock-registry-" });
    const { auth, tokens } = await authFor(login, directory);
    const config = [
      "version: 0.1",
      `storage: {filesystem: {rootdirectory: ${directory}/data}, delete: {enabled: true}}`,
      // It takes a free port itself, so that nobody else can have it by then, and says which.
      `http: {addr: "127.0.0.1:${port}", secret: test}`,
      "log: {level: info, accesslog: {disabled: true}}",
      ...auth,
    ].join("\n");
    Deno.writeTextFileSync(`${directory}/config.yml`, config);
    const process = new Deno.Command("/bin/sh", {
      args: ["-c", 'exec docker-registry serve "$0/config.yml" 2> "$0/log"', directory],
      stdout: "null",
    }).spawn();
    const host = await listensAt(`${directory}/log`);
    return new Registry(host, directory, process, tokens);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.status;
    await this.tokens?.shutdown();
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** Where a registry with this log listens, from the moment on that it does. */
async function listensAt(log: string): Promise<string> {
  const said = () => /msg="listening on ([\d.:]+)/.exec(read(log))?.[1];
  await waitFor(() => said() !== undefined).catch(() => {
    throw new Error(`docker-registry does not listen: ${read(log)}`);
  });
  return said()!;
}

async function authFor(
  login: Login,
  directory: string,
): Promise<{ auth: string[]; tokens?: Deno.HttpServer }> {
  if (login === "none") return { auth: [] };
  if (login === "basic") {
    Deno.writeTextFileSync(`${directory}/htpasswd`, HTPASSWD);
    return { auth: [`auth: {htpasswd: {realm: tests, path: ${directory}/htpasswd}}`] };
  }
  const made = new Deno.Command("openssl", {
    args: ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=test"]
      .concat(["-keyout", `${directory}/key.pem`, "-out", `${directory}/cert.pem`]),
    stderr: "null",
  }).outputSync();
  if (!made.success) throw new Error("openssl made no certificate");
  const tokens = await serveTokens(directory);
  const { port } = tokens.addr as Deno.NetAddr;
  return {
    tokens,
    auth: [
      `auth: {token: {realm: "http://127.0.0.1:${port}/token", service: tests, issuer: tests, ` +
      `rootcertbundle: ${directory}/cert.pem}}`,
    ],
  };
}

function pemBody(text: string): string {
  return text.replace(/-----[^-]+-----/g, "").replace(/\s/g, "");
}

function base64url(data: Uint8Array | string): string {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** A token server: anybody may pull from public/, the user may do everything. */
async function serveTokens(directory: string): Promise<Deno.HttpServer> {
  const cert = pemBody(Deno.readTextFileSync(`${directory}/cert.pem`));
  const pkcs8 = Uint8Array.from(
    atob(pemBody(Deno.readTextFileSync(`${directory}/key.pem`))),
    (char) => char.charCodeAt(0),
  );
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, false, ["sign"]);
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const url = new URL(request.url);
    const given = request.headers.get("authorization");
    const known = `Basic ${btoa(`${USER}:${PASSWORD}`)}`;
    if (given !== null && given !== known) {
      return Response.json({ errors: [{ code: "UNAUTHORIZED", message: "wrong password" }] }, {
        status: 401,
      });
    }
    const access = url.searchParams.getAll("scope").map((scope) => {
      const [type, name, actions] = scope.split(":");
      const all = actions.split(",");
      const allowed = given === null && !name.startsWith("public/") ? [] : all;
      return {
        type,
        name,
        actions: given === null ? allowed.filter((a) => a === "pull") : allowed,
      };
    });
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: "tests",
      sub: USER,
      aud: "tests",
      nbf: now - 9,
      iat: now,
      exp: now + 300,
    };
    const head = base64url(JSON.stringify({ typ: "JWT", alg: "RS256", x5c: [cert] }));
    const body = base64url(JSON.stringify({ ...claims, jti: String(Math.random()), access }));
    const signed = await crypto.subtle.sign(algorithm.name, key, bytesOf(`${head}.${body}`));
    return Response.json({ token: `${head}.${body}.${base64url(new Uint8Array(signed))}` });
  });
}

/** A request that a scripted registry saw. */
export interface Seen {
  method: string;
  path: string;
  headers: Headers;
}

/** A registry whose every answer is written by the test. */
export class ScriptedRegistry implements AsyncDisposable {
  readonly seen: Seen[] = [];
  readonly #server: Deno.HttpServer;
  readonly host: string;

  constructor(answer: (request: Request, path: string) => Response | Promise<Response>) {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      const path = new URL(request.url).pathname;
      this.seen.push({ method: request.method, path, headers: request.headers });
      return answer(request, path);
    });
    this.host = `127.0.0.1:${(this.#server.addr as Deno.NetAddr).port}`;
  }

  /** How often a path that contains `part` was asked for. */
  count(part: string, method = "GET"): number {
    return this.seen.filter((one) => one.method === method && one.path.includes(part)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** Passes a request on to a registry; Location headers are made to lead through here. */
export async function forward(request: Request, host: string): Promise<Response> {
  const url = new URL(request.url);
  const here = url.host;
  url.host = host;
  const response = await fetch(url, {
    method: request.method,
    headers: request.headers,
    ...(request.body && { body: request.body }),
    redirect: "manual",
  });
  const headers = new Headers(response.headers);
  const location = headers.get("location");
  if (location !== null) headers.set("location", location.replace(host, here));
  return new Response(response.body, { status: response.status, headers });
}
