/** What a build tells while it goes on; how that looks is the client's. */
import type { LayerDisplay } from "../engine/layer_display.ts";

/** A piece of work. */
export interface Work {
  /** Output of a command. */
  output(bytes: Uint8Array<ArrayBuffer>): void;
  /** A line of progress of the engine's own. */
  note(text: string): void;
  /** Shows layers that are pulled or pushed. */
  layers(): LayerDisplay;
  /** The container that a RUN is in. */
  running(container: string): void;
  /** What it would have made was there. To be followed by done(). */
  cached(): void;
  /** `image`: the id of the image so far, where there is one. */
  done(image?: string): void;
  failed(message: string): void;
}

/** What a piece of work is. */
export type WorkKind =
  /** Not an instruction: reading the Dockerfile, exporting. */
  | { readonly kind: "internal"; readonly name: string }
  /**
   * An instruction: its place among those that make files in its stage ("build 2/3"), undefined
   * for those that make none, and among all.
   */
  | {
    readonly kind: "instruction";
    readonly text: string;
    readonly place?: string;
    readonly number: number;
    readonly total: number;
  };

/** Who hears of a build. */
export interface BuildEvents {
  begin(kind: WorkKind): Work;
  warn(text: string): void;
  /** The id of each step's image is asked for: the classic output shows it. */
  readonly wantsIds: boolean;
}
