import { UserError } from "../base/errors.ts";
import { attachStarted, passesSignals } from "../engine/attach.ts";
import { SignalProxy } from "../engine/forward.ts";
import { tidyNetworks } from "../engine/network.ts";
import { createWithImage, finish, startNew } from "../engine/run.ts";
import type { ContainerRecord } from "../engine/types.ts";
import { engineFailure } from "./run_failure.ts";
import { pullForRun } from "./run_pull.ts";
import { parseRunFlags, runSpec } from "./run_flags.ts";

export const spec = runSpec;

/** `diplodock run`: the exit code is the container's own. */
export async function command(words: string[]): Promise<number> {
  const { client, create } = parseRunFlags("run", words);
  if (client.tty && client.attach.stdin && !Deno.stdin.isTerminal()) {
    throw new UserError("the input device is not a TTY");
  }
  if (client.detachKeys !== "") {
    const { parseDetachKeys } = await import("../engine/detach_keys.ts");
    parseDetachKeys(client.detachKeys);
  }
  let record: ContainerRecord;
  try {
    record = await createWithImage(create, client, ["run", ...words], pullForRun);
  } catch (error) {
    throw engineFailure(error, "run");
  }
  const { detach } = client;
  using signals = new SignalProxy();
  const listen = () => !detach && passesSignals(client) && signals.listen();
  try {
    const container = await startNew(record, !detach, listen);
    if (detach) {
      container.started.client[Symbol.dispose]();
      console.log(record.Id);
      await tidyNetworks();
      return 0;
    }
    await tidyNetworks();
    const code = await attachStarted(container, client, signals);
    if (code === undefined) return 0; // detached by keys
    await finish(container);
    return code;
  } catch (error) {
    if (detach) console.log(record.Id);
    throw engineFailure(error, "run");
  }
}
