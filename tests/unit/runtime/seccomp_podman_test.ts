/** The review of the default profile beside podman 4's, call by call. */
import { assertEquals } from "@std/assert";
import { PODMAN } from "../../../docs/seccomp_page.ts";
import { DEFAULT_CAPABILITIES } from "../../../src/runtime/capabilities.ts";
import { resolveProfile } from "../../../src/runtime/seccomp.ts";
import { type SeccompMachine, syscallNumbers } from "../../../src/runtime/seccomp_numbers.ts";
import { defaultProfile, type SeccompProfile } from "../../../src/runtime/seccomp_profile.ts";
import { skipUnless } from "../../lib/skip.ts";

const FILE = "/usr/share/containers/seccomp.json";
/** As Debian 12 has it; others decide otherwise in other calls. */
const KNOWN = "cc374cf23846ce1f62f4dc807a8e2b8673c783c6f56cb475467621035d281e6c";

async function sha256(path: string): Promise<string> {
  try {
    const digest = await crypto.subtle.digest("SHA-256", Deno.readFileSync(path));
    return new Uint8Array(digest).toHex();
  } catch {
    return "";
  }
}

/** The names that a profile allows, with any arguments or with some. */
function allowed(profile: SeccompProfile): Set<string> {
  const target = { caps: DEFAULT_CAPABILITIES, arch: "x86_64", kernelRelease: "6.1" } as const;
  const rules = resolveProfile(profile, target).syscalls!;
  return new Set(
    rules.filter(({ action }) => action === "SCMP_ACT_ALLOW").flatMap(({ names }) => names),
  );
}

const known = await sha256(FILE) === KNOWN;

for (const podman of ["allows", "refuses"] as const) {
  Deno.test({
    name: `docs/seccomp.md names each call that podman ${podman} and the default profile does not`,
    ...skipUnless(known, "needs the seccomp profile of Debian 12's podman"),
    fn() {
      const ours = allowed(defaultProfile());
      const theirs = allowed(JSON.parse(Deno.readTextFileSync(FILE)));
      const machines: SeccompMachine[] = ["x86_64", "x32", "x86"];
      const names = new Set(machines.flatMap((machine) => [...syscallNumbers(machine).keys()]));
      const [has, lacks] = podman === "allows" ? [theirs, ours] : [ours, theirs];
      const found = [...names].filter((name) => has.has(name) && !lacks.has(name));
      const rows = PODMAN.filter((row) => row.podman === podman);
      assertEquals(found.sort(), rows.flatMap(({ calls }) => calls.split(" ")).sort());
    },
  });
}
