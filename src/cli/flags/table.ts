/** The flags of `run` and `create`: docker's, podman's, our own. */
import type { FlagTable, Options } from "../args.ts";
import { DOCKER_FLAGS } from "./docker_table.ts";
import { OWN_FLAGS } from "./own_table.ts";

/** What `run` has and `create` has not. */
const RUN_ONLY_FLAGS = {
  "detach": {
    type: "bool",
    short: "d",
    help: "Run container in background and print container ID",
  },
  "detach-keys": {
    type: "string",
    help: "Override the key sequence for detaching a container",
  },
  "sig-proxy": {
    type: "bool",
    default: true,
    help: "Proxy received signals to the process",
  },
} as const satisfies FlagTable;

/** The flags of `create`. */
export const CREATE_FLAGS = { ...DOCKER_FLAGS, ...OWN_FLAGS } as const;

/** The flags of `run`. */
export const RUN_FLAGS = { ...CREATE_FLAGS, ...RUN_ONLY_FLAGS } as const;

/** The options of both verbs: those of `run` alone are missing for `create`. */
export type RunOptions = Options<typeof CREATE_FLAGS> & Partial<Options<typeof RUN_ONLY_FLAGS>>;
