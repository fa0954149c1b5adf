import { assertEquals } from "@std/assert";
import { SignalProxy } from "../../src/engine/forward.ts";

/** A process that waits. */
function sleeper(): Deno.ChildProcess {
  return new Deno.Command("sleep", { args: ["100"] }).spawn();
}

/** Sends a signal to this process, and lets its listeners have it. */
async function signalOurselves(signal: Deno.Signal): Promise<void> {
  let arrived = false;
  const listener = () => arrived = true;
  Deno.addSignalListener(signal, listener);
  Deno.kill(Deno.pid, signal);
  // A listener alone keeps no event loop running.
  while (!arrived) await new Promise((resolve) => setTimeout(resolve, 5));
  Deno.removeSignalListener(signal, listener);
}

Deno.test("SignalProxy keeps what comes before the process is there, and then sends it", async () => {
  using proxy = new SignalProxy();
  proxy.listen();
  await signalOurselves("SIGUSR1");
  const child = sleeper();
  proxy.sendTo(child.pid);
  assertEquals((await child.status).signal, "SIGUSR1");
});

Deno.test("SignalProxy sends what comes later at once, and not what came before it listened", async () => {
  await signalOurselves("SIGUSR2");
  using proxy = new SignalProxy();
  const child = sleeper();
  proxy.sendTo(child.pid);
  await signalOurselves("SIGHUP");
  assertEquals((await child.status).signal, "SIGHUP");
});
