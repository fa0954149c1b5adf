import { printedState, statusOf } from "../runtime/oci_state.ts";
import { type OciCommand, print } from "./oci_context.ts";

/** `state`. */
export const STATE: OciCommand = {
  summary: "print the state of a container as JSON",
  usage: "<container-id>",
  options: {},
  args: [1, 1],
  run: ({ store }, { rest: [id] }) => {
    const record = store.read(id);
    print(JSON.stringify(printedState(record, statusOf(store, record)), null, 2));
    return 0;
  },
};
