/**
 * Fields of config.json that take more than one question to a shell, and those that are refused.
 * With ours and, where it knows the field, with runc.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { capabilitiesOf } from "../../src/runtime/capabilities.ts";
import type { Spec } from "../../src/runtime/spec_types.ts";
import { ociTest as test, read, type RuntimeName } from "../lib/oci_box.ts";

const OURS: readonly RuntimeName[] = ["diplodock"];

test("process.capabilities has all five sets", async (box) => {
  const { stdout, stderr } = await box.run(["grep", "Cap", "/proc/self/status"], (spec) => {
    spec.process!.user = { uid: 9, gid: 9 };
    spec.process!.capabilities = {
      bounding: ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"],
      permitted: ["CAP_CHOWN", "CAP_KILL"],
      inheritable: ["CAP_CHOWN"],
      effective: ["CAP_CHOWN", "CAP_KILL"],
      ambient: ["CAP_CHOWN"],
    };
  });
  const sets = ["CapBnd", "CapInh", "CapAmb", "CapPrm", "CapEff"]
    .map((set) => capabilitiesOf(stdout, set));
  // Through execve by a user without rights only the ambient ones come.
  assertEquals(sets, [0b10100001n, 1n, 1n, 1n, 1n], stdout + stderr);
});

const JOINED = ["network", "ipc", "uts", "pid", "cgroup"] as const;
test("linux.namespaces are joined by their paths", async (box) => {
  const first = box.id();
  await box.detached(["run", "-d", "--bundle", box.command(["sleep", "1000"]), first]);
  const { pid } = await box.state(first) as { pid: number };
  const file = { network: "net", ipc: "ipc", uts: "uts", pid: "pid", cgroup: "cgroup" };
  const script = JOINED.map((type) => `readlink /proc/self/ns/${file[type]}`).join("; ");
  const { stdout, stderr } = await box.run(["sh", "-c", script], (spec) => {
    spec.hostname = undefined;
    spec.linux!.namespaces = spec.linux!.namespaces!.map(({ type }) =>
      (JOINED as readonly string[]).includes(type)
        ? { type, path: `/proc/${pid}/ns/${file[type as keyof typeof file]}` }
        : { type }
    );
  });
  const want = JOINED.map((type) => Deno.readLinkSync(`/proc/${pid}/ns/${file[type]}`));
  assertEquals(stdout.trim().split("\n"), want, stderr);
});

test("execCPUAffinity is for what exec starts", async (box) => {
  const id = box.id();
  const bundle = box.command(["sleep", "1000"], (spec) => {
    spec.process!.execCPUAffinity = { initial: "0", final: "1" };
  });
  await box.detached(["run", "-d", "--bundle", bundle, id]);
  const line = await box.ok("exec", id, "grep", "Cpus_allowed_list", "/proc/self/status");
  assertMatch(line, /\t1\n$/);
}, navigator.hardwareConcurrency > 1 ? OURS : []);

test("rootfsPropagation shared lets mounts of a shared bind through", async (box) => {
  const source = `${box.top}/shared`;
  Deno.mkdirSync(source);
  const bundle = box.command(["sh", "-c", "mount -t tmpfs inner /m && touch /m/seen"], (spec) => {
    const { capabilities } = spec.process!;
    for (const set of ["bounding", "effective", "permitted"] as const) {
      capabilities![set] = [...capabilities![set]!, "CAP_SYS_ADMIN"];
    }
    spec.linux!.rootfsPropagation = "shared";
    const options = ["rbind", "rshared"];
    spec.mounts!.push({ destination: "/m", type: "bind", source, options });
  });
  // In a mount namespace of the test's own, where everything is shared.
  const script = `mount -t tmpfs outer ${source} && mount --make-shared ${source} && ` +
    `"$0" "$@" && ls ${source} && grep -c inner /proc/self/mounts`;
  const args = ["-m", "--propagation", "shared", "sh", "-c", script, ...box.argv, "run"];
  const output = await new Deno.Command("unshare", {
    args: [...args, "--bundle", bundle, box.id()],
  }).output();
  const text = new TextDecoder().decode(output.stdout),
    error = new TextDecoder().decode(output.stderr);
  assertEquals([text, error], ["seen\n1\n", ""]);
});

const REFUSED: [field: string, change: (spec: Spec) => void, text: string][] = [
  ["linux.intelRdt", (s) => s.linux!.intelRdt = { closID: "x" }, "intelRdt is not supported"],
  [
    "linux.personality",
    (s) => s.linux!.personality = { domain: "SOLARIS" },
    'personality "SOLARIS"',
  ],
  [
    "linux.sysctl of the host",
    (s) => s.linux!.sysctl = { "vm.swappiness": "1" },
    "not in a separate kernel namespace",
  ],
  ["linux.namespaces twice", (s) => s.linux!.namespaces!.push({ type: "pid" }), "given twice"],
  [
    "linux.resources.unified on v1",
    (s) => s.linux!.resources!.unified = { "a/b": "1" },
    "Cannot write cgroup file",
  ],
  [
    "linux.seccomp notify without listener",
    (s) =>
      s.linux!.seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_NOTIFY" }],
      },
    "listenerPath is not given",
  ],
  ["linux.rootfsPropagation", (s) => s.linux!.rootfsPropagation = "odd", 'rootfsPropagation "odd"'],
  ["process.scheduler", (s) => s.process!.scheduler = { policy: "SCHED_ODD" }, '"SCHED_ODD"'],
  ["ociVersion", (s) => s.ociVersion = "2.0.0", "is not 1.x"],
];
for (const [field, change, text] of REFUSED) {
  test(`refused before anything is done: ${field}`, async (box) => {
    const id = box.id();
    const { code, stderr } = await box.oci("create", "--bundle", box.bundle(change), id);
    assertEquals(code, 1);
    assertStringIncludes(stderr.replaceAll('\\"', '"'), text);
    assertEquals(await box.ok("list", "-q"), "");
    assert(!read("/proc/self/mountinfo").includes(id));
  }, OURS);
}
