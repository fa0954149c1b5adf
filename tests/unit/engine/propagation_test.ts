import { assertEquals } from "@std/assert";
import { checkPropagation } from "../../../src/engine/propagation.ts";

const MOUNTINFO = `21 1 254:0 / / rw,relatime - ext4 /dev/vda rw
22 21 0:30 / /mnt rw,relatime shared:1 - tmpfs tmpfs rw
23 22 0:31 / /mnt/a\\040b rw,relatime master:1 - tmpfs tmpfs rw
24 21 0:32 / /twice rw - tmpfs tmpfs rw
25 24 0:33 / /twice rw shared:2 - tmpfs tmpfs rw
`;
const ROOT = "is mounted on / but it is not a shared mount";

const CASES: [name: string, propagation: string, path: string, problem: string | undefined][] = [
  ["nothing where nothing is asked", "rprivate", "/x", undefined],
  ["a source on a private mount", "rshared", "/x", `path /x ${ROOT}`],
  [
    "a source on a private mount for a slave",
    "slave",
    "/x",
    "path /x is mounted on / but it is not a shared or slave mount",
  ],
  ["no directory below a shared mount", "shared", "/mnt/sub", undefined],
  ["no shared mount for a slave", "rslave", "/mnt", undefined],
  ["no slave for a slave", "rslave", "/mnt/a b/c", undefined],
  [
    "a slave as shared",
    "rshared",
    "/mnt/a b",
    "path /mnt/a b is mounted on /mnt/a b but it is not a shared mount",
  ],
  ["no name that only begins like a mount", "rshared", "/mnt2", `path /mnt2 ${ROOT}`],
  ["not the lower one of two mounts at one place", "rshared", "/twice", undefined],
];

for (const [name, propagation, hostPath, problem] of CASES) {
  Deno.test(`checkPropagation() refuses ${name}`, () => {
    let message: string | undefined;
    try {
      checkPropagation([{ propagation, hostPath }], MOUNTINFO, (path) => path);
    } catch (error) {
      message = (error as Error).message;
    }
    assertEquals(message, problem);
  });
}
