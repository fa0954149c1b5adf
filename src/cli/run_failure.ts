import { firstError, messageOf, UserError } from "../base/errors.ts";
import { isRefusal } from "../engine/refusal.ts";
import { CLIENT } from "../engine/run.ts";

/**
 * docker's form of what the engine refuses in `run` and `create`: the prefix, and for `run` the
 * exit code 125 (unless the command itself could not be started) and where to find help.
 */
export function engineFailure(thrown: unknown, verb: "run" | "create"): unknown {
  const error = firstError(thrown);
  if (!isRefusal(error)) return error;
  const message = messageOf(error).replace(/^Error response from daemon: /, "");
  const isClients = message.startsWith(CLIENT);
  if (verb === "create") {
    return new UserError(
      isClients ? message.slice(CLIENT.length) : `Error response from daemon: ${message}`,
    );
  }
  const code = error instanceof UserError && error.exitCode > 1 ? error.exitCode : 125;
  const hint = "Run 'diplodock run --help' for more information";
  const prefix = isClients ? "" : `${CLIENT}Error response from daemon: `;
  return new UserError(`${prefix}${message}\n\n${hint}`, code);
}
