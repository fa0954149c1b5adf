import { forwardSignals, forwardWindowSize } from "../engine/forward.ts";
import { deleteContainer, startContainer } from "../runtime/lifecycle.ts";
import { readBundle } from "../runtime/oci_bundle.ts";
import type { OciRecord } from "../runtime/oci_state.ts";
import { type OwnConsole, ownConsole } from "../runtime/own_console.ts";
import { pumpTerminal } from "../runtime/oci_terminal.ts";
import { waitForExitCode } from "../runtime/wait_child.ts";
import type { OciArguments } from "./oci_args.ts";
import { type OciCommand, type OciContext, prefixed } from "./oci_context.ts";
import { CREATE_OPTIONS, createFrom } from "./oci_create.ts";

const FAILED = "diplodock run failed";

/** Creates and starts; without --detach stays until the process ends, and deletes. */
async function run(context: OciContext, given: OciArguments): Promise<number> {
  if (given.flag("detach")) {
    await prefixed(FAILED, async () => start(context, await createFrom(context, given)));
    return 0;
  }
  using scope = new DisposableStack();
  const spec = readBundle(given.text("bundle") || ".", () => {}).spec;
  const console = spec.process?.terminal ? scope.use(ownConsole()) : undefined;
  const record = await prefixed(FAILED, () => createFrom(context, given, console?.socket));
  try {
    scope.use(forwardSignals(record.pid));
    return await stay(context, record, console, scope);
  } finally {
    if (!given.flag("keep")) await deleteContainer(context.store, record.id, true, context.warn);
  }
}

async function stay(
  context: OciContext,
  record: OciRecord,
  console: OwnConsole | undefined,
  scope: DisposableStack,
): Promise<number> {
  const master = console && scope.use(console.receive());
  if (master) scope.use(forwardWindowSize(master, false));
  await prefixed(FAILED, () => start(context, record));
  if (master) await pumpTerminal(master);
  return await waitForExitCode(record.pid);
}

/** A container that does not start leaves nothing behind. */
async function start({ store, warn }: OciContext, record: OciRecord): Promise<void> {
  try {
    await startContainer(store, record.id, warn);
  } catch (error) {
    await deleteContainer(store, record.id, true, warn);
    throw error;
  }
}

/** `run`. */
export const RUN: OciCommand = {
  summary: "create and run a container",
  usage: "[command options] <container-id>",
  options: {
    ...CREATE_OPTIONS,
    detach: { kind: "bool", short: "d", help: "leave the process running" },
    keep: { kind: "bool", help: "do not delete the container after it exits" },
    "no-subreaper": { kind: "bool", help: "accepted: orphans are never reaped here" },
  },
  args: [1, 1],
  run,
};
