/** Debian's systemd as process 1 and owner of the cgroup tree, in a machine of its own. */
import { hasProgram, skipUnless } from "../lib/skip.ts";
import { whyNoMachine } from "./machine.ts";
import { testInMachine } from "./project.ts";

const why = ["systemctl", "setpriv"].every(hasProgram)
  ? whyNoMachine()
  : "there is no systemctl or no setpriv";

Deno.test({
  name: "containers live beside and below systemd's units",
  ...skipUnless(why === undefined, `systemd: ${why}`),
  fn: () =>
    testInMachine({
      tests: ["tests/vm/systemd_scenes.ts"],
      systemd: true,
      modules: ["fs/overlayfs/overlay.ko"],
      prepare: `echo root:x:0:0::/root:/bin/sh > /etc/passwd
        echo user:x:1000:1000::/home:/bin/sh >> /etc/passwd`,
    }, 5),
});
