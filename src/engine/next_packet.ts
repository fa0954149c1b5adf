/** The packets of a container's monitor, one after the other. */
import { MSG_DONTWAIT, POLLIN } from "../../ffi/constants.ts";
import { poll } from "../../ffi/poll.ts";
import type { MonitorClient } from "../runtime/monitor.ts";

/** The next one; undefined when the monitor is gone. `beforeWait` is called when none is there. */
export async function nextPacket(
  client: MonitorClient,
  beforeWait?: () => Promise<void>,
): Promise<ReturnType<MonitorClient["receive"]>> {
  for (;;) {
    const packet = client.receive(MSG_DONTWAIT);
    if (packet !== undefined) return packet;
    await beforeWait?.();
    const [events] = await poll([{ fd: client.socket.raw, events: POLLIN }]);
    // Beside POLLIN there is POLLHUP: what is there now is all there will be.
    if (events > POLLIN) return client.receive(MSG_DONTWAIT);
  }
}
