import { assert, assertEquals } from "@std/assert";
import { removeRules } from "../../src/net/firewall.ts";
import { rulesTouched } from "../../src/net/rules_mark.ts";
import { restoreLostRules } from "../../src/net/rules_watch.ts";
import {
  ask,
  hasProgram,
  Host,
  HOST_IP,
  isRoot,
  OTHER_IP,
  Server,
  withFirewall,
} from "./net_host.ts";

/** By backend: what a firewall reload does, and what somebody else may do beside us. */
const RELOADS: [backend: string, program: string, reload: string, foreign: string][] = [
  [
    "iptables",
    "iptables-restore",
    "iptables -t nat -F; iptables -F; iptables -t nat -X",
    "iptables -t nat -A POSTROUTING -s 192.0.2.77 -j ACCEPT",
  ],
  [
    "iptables-legacy",
    "iptables-legacy-restore",
    "iptables-legacy --wait -F",
    "iptables-legacy --wait -A INPUT -s 192.0.2.77 -j ACCEPT",
  ],
  ["nft", "nft", "nft flush ruleset", "nft add table ip foreign"],
];
for (const [backend, program, reload, foreign] of RELOADS) {
  Deno.test({
    name: `restoreLostRules() puts back what a reload of ${backend} removed, and nothing else`,
    ignore: !isRoot || !hasProgram(program),
    fn: async () => {
      await using host = new Host();
      await withFirewall(backend, async () => {
        const a = await host.connect({
          portBindings: { "80/tcp": [{ HostIp: "", HostPort: "8080" }] },
        });
        await using _server = await host.within(a.sandbox, () => new Server("0.0.0.0", 80));
        const sh = async (line: string) => {
          const { success } = await new Deno.Command("sh", { args: ["-ec", line] }).output();
          assert(success, line);
        };
        const outside = () => host.within(host.other, () => ask(HOST_IP, 8080));
        assertEquals(rulesTouched(host.places), false);
        assertEquals(await outside(), OTHER_IP);
        await sh(foreign);
        assertEquals(rulesTouched(host.places), true);
        assertEquals(await restoreLostRules(host.places), false, "ours are all there");
        assertEquals(rulesTouched(host.places), false);
        await sh(reload);
        assertEquals(rulesTouched(host.places), true);
        assertEquals(await restoreLostRules(host.places), true);
        assertEquals(await outside(), OTHER_IP);
        assertEquals(await restoreLostRules(host.places), false);
        await removeRules(host.places);
        assertEquals(rulesTouched(host.places), false);
      });
    },
  });
}
