/** Where builds of other machines keep what they remember: `--cache-from` and `--cache-to`. */
import type { GivenCredentials } from "../image/credentials.ts";
import type { LayoutPlace } from "../image/layout.ts";
import type { Reference } from "../image/reference.ts";

/** What is kept: the instructions that the result is made of, or those of all stages. */
export type CacheMode = "min" | "max";

/** What `--cache-from` names. */
export type CacheSource =
  /** A cache, or an image that holds its own. */
  | {
    readonly type: "registry";
    readonly reference: Reference;
    /** In place of those the user logged in with. */
    readonly credentials?: GivenCredentials;
  }
  /** The same in an OCI image layout on disk. */
  | { readonly type: "local"; readonly place: LayoutPlace };

/** A cache of its own, beside the image. */
export interface CacheTarget {
  readonly place:
    | { readonly type: "registry"; readonly reference: Reference }
    | { readonly type: "local"; readonly path: string; readonly tag: string };
  readonly mode: CacheMode;
  /** The build is none the worse where it cannot be written. */
  readonly isOptional: boolean;
}

/** Both flags. */
export interface CacheWish {
  readonly from: readonly CacheSource[];
  readonly to: readonly CacheTarget[];
  /** The image tells what it was made by: `type=inline`. */
  readonly isInline: boolean;
}
