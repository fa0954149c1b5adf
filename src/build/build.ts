/** A whole build: context, stages, the image. */
import { UserError } from "../base/errors.ts";
import { orCollect } from "../image/gc.ts";
import { Session } from "../image/session.ts";
import type { Store } from "../image/store.ts";
import { Builder } from "./builder.ts";
import type { BuildRequest } from "./build_request.ts";
import { type ContextWish, openContext } from "./context.ts";
import { type Built, type OutputWish, writeOutputs } from "./output.ts";
import { sweepBuilds } from "./run_step.ts";
import { checkStrict } from "./lint.ts";
import { orAborted } from "./or_aborted.ts";
import { EPOCH } from "./scope.ts";

/** What buildImage() is told. */
export interface BuildWish extends Omit<BuildRequest, "opened">, Omit<OutputWish, "epoch"> {
  readonly source: ContextWish;
  /** Called with the name and the text of the Dockerfile, once they are read. */
  onDockerfile(name: string, text: string): void;
}

/** Builds, and writes the outputs; the image, if one was made. Throws DockerfileError, BuildError, UserError. */
export async function buildImage(store: Store, wish: BuildWish): Promise<Built | undefined> {
  await sweepBuilds(store);
  return await orCollect(store, () => buildIn(store, wish));
}

async function buildIn(store: Store, wish: BuildWish): Promise<Built | undefined> {
  using session = await Session.open(store);
  const { events } = wish;
  const name = wish.source.file === undefined || wish.source.file === "-"
    ? "Dockerfile"
    : wish.source.file.split("/").at(-1)!;
  const reading = events.begin({
    kind: "internal",
    name: `[internal] load build definition from ${name}`,
  });
  let opened;
  try {
    opened = await orAborted(wish.signal, openContext(session, wish.source));
  } catch (error) {
    reading.failed((error as Error).message);
    throw error;
  }
  reading.note(`transferring dockerfile: ${new TextEncoder().encode(opened.text).length}B done`);
  reading.done();
  wish.onDockerfile(opened.name, opened.text);
  checkStrict(opened.text);
  const state = await new Builder(session, { ...wish, opened }).build();
  return await writeOutputs(session, state, { ...wish, ...epochOf(wish.buildArgs) }, events);
}

/** The Dockerfile of a build that is not carried out. Throws UserError. */
export async function readBuildFile(
  store: Store,
  { source, signal }: Pick<BuildWish, "source" | "signal">,
): Promise<{ name: string; text: string }> {
  using session = await Session.open(store);
  const { name, text } = await orAborted(signal, openContext(session, source));
  return { name, text };
}

/** The build argument by which builds of other days give the same image. */
function epochOf(buildArgs: ReadonlyMap<string, string>): { epoch?: number } {
  const text = buildArgs.get(EPOCH) ?? "";
  if (text === "") return {};
  if (!/^\d{1,11}$/.test(text)) {
    throw new UserError(`invalid SOURCE_DATE_EPOCH: ${text}: want seconds since 1970`);
  }
  return { epoch: Number(text) };
}
