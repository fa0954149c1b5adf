import { assertEquals } from "@std/assert";
import { labelWarnings, securityLabels } from "../../../src/engine/security_modules.ts";
import { parseSecurityOptions } from "../../../src/engine/security_opts.ts";

const ALL = { apparmor: true, selinux: true }, NONE = { apparmor: false, selinux: false };
const ID = "00400" + "00001" + "0".repeat(54); // categories 0 and 2: 0x400 is 1024

const CASES: [name: string, words: string[], labels: object, warnings: number][] = [
  ["nothing", [], {}, 0],
  ["a profile", ["apparmor=mine"], { apparmor: "mine" }, 1],
  ["no profile", ["apparmor=unconfined"], { apparmor: "unconfined" }, 0],
  ["no labels", ["label=disable"], {}, 0],
  ["a type", ["label=type:spc_t"], {
    processLabel: "system_u:system_r:spc_t:s0:c0,c2",
    mountLabel: "system_u:object_r:container_file_t:s0:c0,c2",
  }, 1],
  [
    "all parts",
    [
      ...["label=user:u", "label=role:r", "label=type:t", "label=level:s1"],
      "label=filetype:f",
    ],
    { processLabel: "u:r:t:s1", mountLabel: "u:object_r:f:s1" },
    1,
  ],
];

for (const [name, words, labels, warnings] of CASES) {
  Deno.test(`securityLabels() of ${name}`, () => {
    const options = parseSecurityOptions(words);
    assertEquals({ ...securityLabels(options, ALL, ID) }, labels);
    assertEquals(securityLabels(options, NONE, ID), {});
    assertEquals(labelWarnings(options, NONE).length, warnings);
    assertEquals(labelWarnings(options, ALL), []);
  });
}
