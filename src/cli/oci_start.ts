import { startContainer } from "../runtime/lifecycle.ts";
import type { OciCommand } from "./oci_context.ts";

/** `start`. */
export const START: OciCommand = {
  summary: "execute the process of a created container",
  usage: "<container-id>",
  options: {},
  args: [1, 1],
  run: async ({ store, warn }, { rest: [id] }) => {
    await startContainer(store, id, warn);
    return 0;
  },
};
