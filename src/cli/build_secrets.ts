/** What a RUN may use and no layer keeps: `--secret` and `--ssh`. */
import { UserError } from "../base/errors.ts";
import { statIfThere } from "../base/files.ts";
import type { SshSource } from "../build/ssh_agent.ts";
import { parseCsvRecord } from "./flags/units.ts";

/** Reads `--secret`: "id=x,src=path", "id=x,env=NAME"; "id=x" alone is a variable or a file. */
export function parseSecrets(
  texts: readonly string[],
): Map<string, { path: string } | { env: string }> {
  const secrets = new Map<string, { path: string } | { env: string }>();
  for (const text of texts) {
    const fields = new Map(
      parseCsvRecord(text).map((field): [string, string] => {
        const equals = field.indexOf("=");
        if (equals < 0) throw new UserError(`invalid field '${field}' must be a key=value pair`);
        return [field.slice(0, equals).toLowerCase(), field.slice(equals + 1)];
      }),
    );
    for (const key of fields.keys()) {
      if (!["id", "src", "source", "env", "type"].includes(key)) {
        throw new UserError(`unexpected key '${key}' in '${text}'`);
      }
    }
    const id = fields.get("id");
    if (!id) throw new UserError(`secret "${text}" has no id`);
    const type = fields.get("type");
    const source = fields.get("src") ?? fields.get("source");
    const env = fields.get("env") ?? (type === "env" ? source ?? id : undefined);
    if (env !== undefined) secrets.set(id, { env });
    else if (source === undefined && type === undefined && Deno.env.get(id) !== undefined) {
      secrets.set(id, { env: id });
    } else secrets.set(id, { path: fileOf(source ?? id) });
  }
  return secrets;
}

function fileOf(path: string): string {
  try {
    if (Deno.statSync(path).isFile) return path;
  } catch {
    throw new UserError(`failed to stat ${path}: no such file or directory`);
  }
  throw new UserError(`secret ${path} is no file`);
}

/** Reads `--ssh`: "default", "id", "id=socket", "id=key,key". Throws UserError. */
export function parseSsh(text: string): [id: string, source: SshSource] {
  const equals = text.indexOf("=");
  const id = equals < 0 ? text : text.slice(0, equals);
  const paths = equals < 0 ? [] : text.slice(equals + 1).split(",").filter((path) => path !== "");
  if (id === "") throw new UserError(`invalid --ssh "${text}": want default|ID[=SOCKET|KEY[,KEY]]`);
  if (paths.length === 0) {
    const socket = Deno.env.get("SSH_AUTH_SOCK");
    if (socket) return [id, { socket }];
    throw new UserError("invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set");
  }
  if (!paths.some(isSocket)) return [id, { keys: paths }];
  if (paths.length === 1) return [id, { socket: paths[0] }];
  throw new UserError("only single socket allowed");
}

function isSocket(path: string): boolean {
  const found = statIfThere(path);
  if (found !== undefined) return found.isSocket === true;
  throw new UserError(`failed to stat ${path}: no such file or directory`);
}
