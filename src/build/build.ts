/** A whole build: context, stages, the image. */
import type { ImageRecord } from "../image/records.ts";
import { orCollect } from "../image/gc.ts";
import { registerNew } from "../image/make.ts";
import { Session } from "../image/session.ts";
import type { Store } from "../image/store.ts";
import { Builder } from "./builder.ts";
import type { BuildRequest } from "./build_request.ts";
import { type ContextWish, openContext } from "./context.ts";
import { exportTree } from "./export_tree.ts";
import { sweepBuilds } from "./run_step.ts";
import { imageConfig } from "./stage_state.ts";

/** What buildImage() is told. */
export interface BuildWish extends Omit<BuildRequest, "opened"> {
  readonly source: ContextWish;
  /** Full names for the image. */
  readonly names: readonly string[];
  /** Write the files there instead of making an image. */
  readonly output?: { readonly type: "local" | "tar"; readonly dest: string };
  /** Called with the name and the text of the Dockerfile, once they are read. */
  onDockerfile(name: string, text: string): void;
}

/** Builds an image; undefined: its files were written. Throws DockerfileError, BuildError, UserError. */
export async function buildImage(store: Store, wish: BuildWish): Promise<ImageRecord | undefined> {
  await sweepBuilds(store);
  return await orCollect(store, () => buildIn(store, wish));
}

async function buildIn(store: Store, wish: BuildWish): Promise<ImageRecord | undefined> {
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
    opened = await openContext(session, wish.source);
  } catch (error) {
    reading.failed((error as Error).message);
    throw error;
  }
  reading.note(`transferring dockerfile: ${new TextEncoder().encode(opened.text).length}B done`);
  reading.done();
  wish.onDockerfile(opened.name, opened.text);
  const state = await new Builder(session, { ...wish, opened }).build();
  if (wish.output !== undefined) {
    const { type, dest } = wish.output;
    const writing = events.begin({
      kind: "internal",
      name: type === "tar" ? "sending tarball" : "exporting to client directory",
    });
    await exportTree(session, state, wish.output);
    writing.note(`copying files to ${dest} done`);
    writing.done();
    return undefined;
  }
  const exporting = events.begin({ kind: "internal", name: "exporting to image" });
  const layers = state.layers.map(({ descriptor }) => descriptor);
  const record = await registerNew(session, imageConfig(state), layers, wish.names);
  exporting.note("exporting layers done");
  exporting.note(`writing image ${record.id} done`);
  for (const one of wish.names) exporting.note(`naming to ${one} done`);
  exporting.done();
  return record;
}
