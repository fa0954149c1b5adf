import { deleteContainer } from "../runtime/lifecycle.ts";
import type { OciCommand } from "./oci_context.ts";

/** `delete`. */
export const DELETE: OciCommand = {
  summary: "remove what is left of a container",
  usage: "[command options] <container-id>",
  options: { force: { kind: "bool", short: "f", help: "also a container that runs (SIGKILL)" } },
  args: [1, 1],
  run: async ({ store, warn }, given) => {
    await deleteContainer(store, given.rest[0], given.flag("force"), warn);
    return 0;
  },
};
