import { assertEquals } from "@std/assert";
import { restoreText } from "../../../src/net/iptables.ts";
import type { RulePort } from "../../../src/net/rules.ts";

Deno.test("docs/networks.md shows the rules as they are", () => {
  const page = Deno.readTextFileSync(new URL("../../../docs/networks.md", import.meta.url));
  const [, shown] = /```iptables\n([^`]*)```/.exec(page)!;
  const bridge = "diplodock0";
  const web: RulePort = {
    protocol: "tcp",
    hostIp: "0.0.0.0",
    hostPort: 8080,
    containerIp: "10.212.0.2",
    containerPort: 80,
    bridge,
  };
  const dns = { ...web, protocol: "udp", hostIp: "127.0.0.1", hostPort: 8053, containerPort: 53 };
  const open = { bridge, subnet4: "10.212.0.0/16", internal: false, masquerade: true };
  const closed = { ...open, bridge: "dd-1d3c5a7f9b20", subnet4: "10.213.0.0/24", internal: true };
  const set = { networks: [open, closed], ports: [web, dns] };
  assertEquals(shown, restoreText(4, set, "", "absent"));
});
