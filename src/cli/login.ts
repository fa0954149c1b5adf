import { UserError } from "../base/errors.ts";
import {
  configDirectory,
  type Credentials,
  findCredentials,
  registryKey,
  serverOf,
  storeCredentials,
} from "../image/credentials.ts";
import { Repository } from "../image/registry.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./image_context.ts";

export const spec = {
  name: "login",
  usage: "[OPTIONS] [SERVER]",
  summary: "Authenticate to a registry",
  description: "Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.",
  args: [0, 1],
  flags: {
    password: { type: "string", short: "p", help: "Password or Personal Access Token (PAT)" },
    "password-stdin": {
      type: "bool",
      help: "Take the Password or Personal Access Token (PAT) from stdin",
    },
    username: { type: "string", short: "u", help: "Username" },
  },
  examples: ["diplodock login -u me --password-stdin localhost:5000 <password.txt"],
} as const satisfies CommandSpec;

async function passwordFromStdin(): Promise<string> {
  const text = await new Response(Deno.stdin.readable).text();
  return text.replace(/\r?\n$/, "");
}

/** Reads a line without showing it. */
function askPassword(): string {
  console.error("Password: ");
  Deno.stdin.setRaw(true);
  try {
    const bytes: number[] = [];
    const byte = new Uint8Array(1);
    while (Deno.stdin.readSync(byte) === 1 && byte[0] !== 0x0d && byte[0] !== 0x0a) {
      if (byte[0] === 3) throw new UserError("interrupted", 130);
      if (byte[0] === 0x7f) bytes.pop();
      else bytes.push(byte[0]);
    }
    return new TextDecoder().decode(new Uint8Array(bytes));
  } finally {
    Deno.stdin.setRaw(false);
  }
}

interface LoginFlags {
  username: string | undefined;
  password: string | undefined;
  passwordStdin: boolean;
}

async function ask(flags: LoginFlags, known: Credentials | undefined): Promise<Credentials> {
  if (flags.passwordStdin) {
    if (flags.password !== undefined) {
      throw new UserError(
        "conflicting options: cannot specify both --password and --password-stdin",
      );
    }
    if (!flags.username) {
      throw new UserError("the --password-stdin option requires --username to be set");
    }
    return { kind: "password", username: flags.username, password: await passwordFromStdin() };
  }
  if (flags.password !== undefined) {
    console.error("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
  } else if (known !== undefined && !flags.username) {
    const user = known.kind === "password" ? ` [Username: ${known.username}]` : "";
    console.error(
      `Authenticating with existing credentials...${user}\n\n Info -> To login with a different ` +
        "account, run 'diplodock logout' followed by 'diplodock login'\n\n",
    );
    return known;
  }
  if (flags.username && flags.password !== undefined) {
    return { kind: "password", username: flags.username, password: flags.password };
  }
  if (!Deno.stdin.isTerminal()) {
    throw new UserError("Error: Cannot perform an interactive login from a non TTY device");
  }
  const username = flags.username || prompt("Username:") || "";
  if (username === "") throw new UserError("Error: Non-null Username Required");
  const password = flags.password ?? askPassword();
  if (password === "") throw new UserError("Error: Password Required");
  return { kind: "password", username, password };
}

/** `diplodock login`. */
export async function command(args: string[]): Promise<number> {
  const { options, args: [server] } = parseArgs(spec, args);
  const domain = serverOf(server);
  const known = await findCredentials(domain);
  const credentials = await ask({
    username: options.username,
    password: options.password,
    passwordStdin: options.passwordStdin,
  }, known);
  await daemon(() => new Repository(domain, "", "pull", credentials).ping());
  const isNew = JSON.stringify(credentials) !== JSON.stringify(known);
  if (isNew && await storeCredentials(domain, credentials)) {
    console.error(
      `\nWARNING! Your credentials are stored unencrypted in '${configDirectory()}/config.json'.\n` +
        "Configure a credential helper to remove this warning. See\n" +
        "https://docs.docker.com/go/credential-store/\n",
    );
  }
  console.log("Login Succeeded");
  return 0;
}

/** The name of a registry in messages. */
export function shownServer(domain: string): string {
  return registryKey(domain);
}
