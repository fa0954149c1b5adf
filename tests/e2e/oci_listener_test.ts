/** SCMP_ACT_NOTIFY: the agent gets the listener and decides. With ours and with runc. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { POLLIN } from "../../ffi/constants.ts";
import type { Fd } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import { poll } from "../../ffi/poll.ts";
import { DescriptorSocket } from "../lib/descriptor_socket.ts";
import { waitFor } from "../lib/engine.ts";
import { OciBox, read, RUNTIMES } from "../lib/oci_box.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

// linux/seccomp.h
const SECCOMP_IOCTL_NOTIF_RECV = 0xc0502100, SECCOMP_IOCTL_NOTIF_SEND = 0xc0182101;
const NOTIFICATION_BYTES = 80, ANSWER_BYTES = 24;
const EXDEV = 18;
const LIMIT_MS = 60_000;

/** Answers the next call that is notified with an error. */
async function refuse(listener: Fd, errno: number): Promise<void> {
  const [event] = await poll([{ fd: listener.raw, events: POLLIN }], LIMIT_MS);
  assertEquals(event & POLLIN, POLLIN);
  const notification = new Uint8Array(NOTIFICATION_BYTES);
  check("hear a call", "ioctl", listener.raw, SECCOMP_IOCTL_NOTIF_RECV, notification);
  const answer = new Uint8Array(ANSWER_BYTES);
  answer.set(notification.subarray(0, 8)); // the id
  new DataView(answer.buffer).setInt32(16, -errno, true);
  check("answer a call", "ioctl", listener.raw, SECCOMP_IOCTL_NOTIF_SEND, answer);
}

for (const runtime of RUNTIMES) {
  for (const noNewPrivileges of [true, false]) {
    Deno.test({
      name: `${runtime}: a notified call is the agent's to decide, noNewPrivileges ` +
        noNewPrivileges,
      ...skipUnless(isRoot() && hasProgram("busybox"), "needs root and busybox"),
      fn: async () => {
        await using box = new OciBox(runtime);
        const path = `${box.top}/agent`, id = box.id();
        using agent = new DescriptorSocket(path);
        const bundle = box.command(["sh", "-c", "mkdir /x; exec sleep 1000"], (spec) => {
          spec.process!.noNewPrivileges = noNewPrivileges;
          spec.linux!.seccomp = {
            defaultAction: "SCMP_ACT_ALLOW",
            listenerPath: path,
            listenerMetadata: "for the agent",
            // The runtime makes directories before, and by the newer call.
            syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_NOTIFY" }],
          };
        });
        const created = box.detached(["run", "-d", "--bundle", bundle, id]);
        const { fd, text } = await agent.receive();
        using listener = fd;
        const state = JSON.parse(text);
        assertEquals([state.fds, state.metadata], [["seccompFd"], "for the agent"]);
        assertEquals(state.state.id, id);
        await refuse(listener, EXDEV);
        const output = await created;
        assertEquals((await box.state(id)).pid, state.pid);
        await waitFor(() => read(output).includes("mkdir"));
        assertStringIncludes(read(output), "Invalid cross-device link");

        const added = box.detached(["exec", "-d", id, "sh", "-c", "mkdir /y 2> /said"]);
        const second = await agent.receive();
        using more = second.fd;
        assertEquals(JSON.parse(second.text).state.status, "running");
        await added;
        await refuse(more, EXDEV);
        await waitFor(() => read(`${box.rootfs}/said`).includes("cross-device"));
      },
    });
  }
}
