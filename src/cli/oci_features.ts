import { features } from "../runtime/oci_features.ts";
import { type OciCommand, print } from "./oci_context.ts";

/** `features`. */
export const FEATURES: OciCommand = {
  summary: "print what this runtime can do as JSON",
  usage: "",
  options: {},
  args: [0, 0],
  run: () => {
    print(JSON.stringify(features(), null, 4) + "\n");
    return 0;
  },
};
