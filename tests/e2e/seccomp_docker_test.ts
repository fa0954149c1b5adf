/** A list of calls is tried in a container of docker and in one of ours: they answer alike. */
import { assert, assertEquals } from "@std/assert";
import type { Step } from "../../ffi/program.ts";
import { startDocker } from "../lib/peer_engines.ts";
import { Engine } from "../lib/engine.ts";
import { tryCall, writeProgram } from "../lib/hostile.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";

const missing = ["docker", "dockerd", "containerd", "runc", "iptables", "busybox", "tar"]
  .filter((program) => !hasProgram(program));
enterTestNetwork();

/** With arguments that do no harm where a call is let through. Newer calls than docker 20.10: not. */
const CALLS: [call: Step["call"], args: (number | string | null)[]][] = [
  ["mount", [null, "/", null, 0, null]],
  ["umount2", ["/nowhere", 0]],
  ["unshare", [0x1000_0000]],
  ["setns", [-1, 0]],
  ["pivot_root", ["/", "/"]],
  ["open_tree", [-100, "/", 1]],
  ["move_mount", [-1, "", -1, "", 0]],
  ["fsopen", ["tmpfs", 0]],
  ["mount_setattr", [-1, "", 0, null, 0]],
  ["clone3", [null, 0]],
  ["bpf", [0, null, 0]],
  ["keyctl", [0, 0, 0, 0, 0]],
  ["personality", [0x4_0000]],
  ["socket", [40, 1, 0]],
  ["socket", [1, 1, 0]],
  ["chroot", ["/nowhere"]],
  ["sethostname", ["name", 4]],
  ["mknodat", [-100, "/nowhere/x", 0, 0]],
  ["ptrace", [999, 0, 0, 0]],
  ["pidfd_getfd", [-1, 0, 0]],
  ["openat2", [-1, "", null, 0]],
  ["close_range", [100, 90, 0]],
];

Deno.test({
  name: "calls get the same answers in containers of docker and of Diplodock",
  ...skipUnless(isRoot() && missing.length === 0, `docker: needs root, ${missing.join(", ")}`),
  async fn() {
    await using engine = new Engine();
    await using docker = await startDocker("runc");
    const root = engine.rootfs("calls", (directory) => {
      CALLS.forEach(([call, args], i) =>
        writeProgram(`${directory}/${i}.${call}`, tryCall(call, args))
      );
    });
    const archive = engine.path("calls.tar");
    await new Deno.Command("tar", { args: ["-C", root, "-cf", archive, "."] }).output();
    await docker.ok("import", archive, "calls");
    const script = `for i in $(seq 0 ${CALLS.length - 1}); do p=$(echo /$i.*); $p; ` +
      'echo "$p $?"; done';
    const words = ["sh", "-c", script.replace("$(seq", "$(busybox seq")];
    const theirs = await docker.ok("run", "--rm", "--network", "none", "calls", ...words);
    const { stdout, stderr } = await engine.host("--rootfs", root, ...words);
    assertEquals(stderr, "");
    // docker 20.10 lets AF_VSOCK through, its later versions do not.
    const wanted = theirs.trim().replace(/(\d+\.socket) 0\n(?=\/\d+\.socket)/, "$1 1\n");
    assertEquals(stdout.trim().split("\n"), wanted.split("\n"));
    assertEquals(stdout.trim().split("\n").length, CALLS.length);
    assert(/ 1$/m.test(stdout) && / 0$/m.test(stdout), stdout); // EPERM and success are among them
  },
});
