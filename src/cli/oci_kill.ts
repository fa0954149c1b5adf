import { UserError } from "../base/errors.ts";
import { killContainer } from "../runtime/lifecycle.ts";
import { parseSignal } from "../base/signals.ts";
import type { OciCommand } from "./oci_context.ts";

/** 0 is a signal too: it asks whether the process is there. */
function signalNumber(text: string): number {
  if (text === "0") return 0;
  try {
    return parseSignal(text);
  } catch {
    throw new UserError(`unknown signal ${JSON.stringify(text)}`);
  }
}

/** `kill`. */
export const KILL: OciCommand = {
  summary: "send a signal (default: SIGTERM) to the container's first process",
  usage: "[command options] <container-id> [signal]",
  options: { all: { kind: "bool", short: "a", help: "to all processes of the container" } },
  args: [1, 2],
  run: ({ store }, given) => {
    const [id, signal = "SIGTERM"] = given.rest;
    killContainer(store, id, signalNumber(signal), given.flag("all"));
    return 0;
  },
};
