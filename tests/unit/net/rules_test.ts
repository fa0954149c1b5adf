import { assert, assertEquals } from "@std/assert";
import { chainsOf, type RuleNetwork, type RulePort, type RuleSet } from "../../../src/net/rules.ts";
import { jumpsOf, presentIn, removeText, restoreText } from "../../../src/net/iptables.ts";
import { nftText } from "../../../src/net/nft.ts";

const NETWORK: RuleNetwork = {
  bridge: "br0",
  subnet4: "10.1.0.0/16",
  internal: false,
  masquerade: true,
};
const PORT: RulePort = {
  protocol: "tcp",
  hostIp: "0.0.0.0",
  hostPort: 8080,
  containerIp: "10.1.0.2",
  containerPort: 80,
  bridge: "br0",
};
const ONE: RuleSet = { networks: [NETWORK], ports: [] };
const PUBLISHED: RuleSet = { networks: [NETWORK], ports: [PORT] };

Deno.test("restoreText() of one network lets it out and nobody in", () => {
  assertEquals(
    restoreText(4, ONE, "", "absent"),
    `*raw
:DIPLODOCK-GUARD - [0:0]
-I PREROUTING -j DIPLODOCK-GUARD
-A DIPLODOCK-GUARD -d 127.0.0.0/8 -i br0 -j DROP
COMMIT
*nat
:DIPLODOCK-PORTS - [0:0]
:DIPLODOCK-POST - [0:0]
-I PREROUTING -m addrtype --dst-type LOCAL -j DIPLODOCK-PORTS
-I OUTPUT -m addrtype --dst-type LOCAL -j DIPLODOCK-PORTS
-I POSTROUTING -j DIPLODOCK-POST
-A DIPLODOCK-POST -s 10.1.0.0/16 ! -o br0 -j MASQUERADE
COMMIT
*filter
:DIPLODOCK-FORWARD - [0:0]
-I FORWARD -j DIPLODOCK-FORWARD
-A DIPLODOCK-FORWARD -o br0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DIPLODOCK-FORWARD -o br0 -m conntrack --ctstate DNAT -j ACCEPT
-A DIPLODOCK-FORWARD -i br0 -o br0 -j ACCEPT
-A DIPLODOCK-FORWARD -o br0 -j DROP
-A DIPLODOCK-FORWARD -i br0 -j ACCEPT
COMMIT
`,
  );
});

Deno.test("restoreText() of a published port translates and masquerades, in the nat table alone", () => {
  const before = restoreText(4, ONE, "", "absent").split("\n");
  const added = restoreText(4, PUBLISHED, "", "absent").split("\n")
    .filter((line) => !before.includes(line));
  assertEquals(added, [
    "-A DIPLODOCK-PORTS -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.0.2:80",
    "-A DIPLODOCK-POST -s 10.1.0.0/16 -o br0 -m conntrack --ctstate DNAT -j MASQUERADE",
    "-A DIPLODOCK-POST -s 127.0.0.0/8 -o br0 -m conntrack --ctstate DNAT -j MASQUERADE",
  ]);
});

Deno.test("restoreText() of the nat table alone leaves the other tables out", () => {
  const text = restoreText(4, PUBLISHED, "", "present", ["nat"]);
  assertEquals(text.match(/^\*.*/gm), ["*nat"]);
});

const PORTS: [what: string, port: Partial<RulePort>, want: string][] = [
  [
    "one address of the host",
    { hostIp: "127.0.0.1" },
    "-d 127.0.0.1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.0.2:80",
  ],
  [
    "udp",
    { protocol: "udp" },
    "-p udp -m udp --dport 8080 -j DNAT --to-destination 10.1.0.2:80",
  ],
  [
    "sctp",
    { protocol: "sctp" },
    "-p sctp -m sctp --dport 8080 -j DNAT --to-destination 10.1.0.2:80",
  ],
];
for (const [what, change, want] of PORTS) {
  Deno.test(`restoreText() knows a port of ${what}`, () => {
    const text = restoreText(4, { ...ONE, ports: [{ ...PORT, ...change }] }, "", "absent");
    assert(text.includes(`-A DIPLODOCK-PORTS ${want}\n`), text);
  });
}

Deno.test("restoreText() puts IPv6 ports in brackets and leaves ::1 alone", () => {
  const set: RuleSet = {
    networks: [{ ...NETWORK, subnet6: "fd00::/64" }],
    ports: [PORT, { ...PORT, hostIp: "::", containerIp: "fd00::2" }],
  };
  const text = restoreText(6, set, "", "absent");
  assert(text.includes("--dport 8080 -j DNAT --to-destination [fd00::2]:80\n"), text);
  assert(text.includes("-I OUTPUT ! -d ::1/128 -m addrtype --dst-type LOCAL -j"), text);
  assert(!text.includes("10.1.0.2") && !text.includes("*raw"), text);
});

Deno.test("chainsOf() drops all traffic of an internal network before anything is accepted", () => {
  const inner: RuleNetwork = { ...NETWORK, bridge: "in0", internal: true };
  const { forward, postrouting } = chainsOf(4, { networks: [NETWORK, inner], ports: [PORT] });
  assertEquals(forward.slice(0, 2).map((rule) => rule.verdict), ["drop", "drop"]);
  assert(!postrouting.some((rule) => rule.match.notOut === "in0"));
});

Deno.test("chainsOf() drops what enters a network before it lets any network out", () => {
  const other: RuleNetwork = { ...NETWORK, bridge: "br1", subnet4: "10.2.0.0/16" };
  const { forward } = chainsOf(4, { networks: [NETWORK, other], ports: [] });
  const lastDrop = forward.findLastIndex((rule) => rule.verdict === "drop");
  const firstOut = forward.findIndex((rule) =>
    rule.verdict === "accept" && rule.match.in !== undefined && rule.match.out === undefined
  );
  assert(lastDrop >= 0 && lastDrop < firstOut);
});

Deno.test("restoreText() moves known jumps to the top", () => {
  const text = restoreText(4, ONE, "", "present");
  assert(text.includes("-D FORWARD -j DIPLODOCK-FORWARD\n-I FORWARD -j DIPLODOCK-FORWARD\n"));
});

Deno.test("restoreText() has chains of its own for an engine with a tag", () => {
  const text = restoreText(4, ONE, "ab12", "absent");
  assert(text.includes(":DIPLODOCK-ab12-FORWARD - [0:0]"));
  assert(!/DIPLODOCK-(FORWARD|POST|PORTS)/.test(text));
  assert(jumpsOf(4, "ab12").every((jump) => jump.chain.length <= 28), "xtables' longest name");
});

const SAVED = `*nat
:PREROUTING ACCEPT [0:0]
:DIPLODOCK-PORTS - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DIPLODOCK-PORTS
-A PREROUTING -j DOCKER
COMMIT
*filter
:DIPLODOCK-FORWARD - [0:0]
COMMIT
`;
Deno.test("presentIn() finds our chains and jumps and nobody else's", () => {
  assertEquals(
    [...presentIn(SAVED, 4, "")].filter((key) => key.includes("DIPLODOCK")),
    [
      "nat DIPLODOCK-PORTS",
      "nat PREROUTING DIPLODOCK-PORTS",
      "filter DIPLODOCK-FORWARD",
    ],
  );
});

Deno.test("removeText() takes away what is there and names nothing else", () => {
  assertEquals(
    removeText(4, "", presentIn(SAVED, 4, "")),
    `*nat
-D PREROUTING -m addrtype --dst-type LOCAL -j DIPLODOCK-PORTS
-F DIPLODOCK-PORTS
-X DIPLODOCK-PORTS
COMMIT
*filter
-F DIPLODOCK-FORWARD
-X DIPLODOCK-FORWARD
COMMIT
`,
  );
  assertEquals(removeText(4, "", new Set()), "");
});

Deno.test("nftText() replaces one table of ours as a whole", () => {
  assertEquals(
    nftText([4], PUBLISHED, ""),
    `table ip diplodock {}
delete table ip diplodock
table ip diplodock {
  chain guard {
    type filter hook prerouting priority -300; policy accept;
    ip daddr 127.0.0.0/8 iifname "br0" drop
  }
  chain ports {
    tcp dport 8080 dnat to 10.1.0.2:80
  }
  chain prerouting {
    type nat hook prerouting priority -100; policy accept;
    fib daddr type local jump ports
  }
  chain output {
    type nat hook output priority -100; policy accept;
    fib daddr type local jump ports
  }
  chain postrouting {
    type nat hook postrouting priority 100; policy accept;
    ip saddr 10.1.0.0/16 oifname != "br0" masquerade
    ip saddr 10.1.0.0/16 oifname "br0" ct status dnat masquerade
    ip saddr 127.0.0.0/8 oifname "br0" ct status dnat masquerade
  }
  chain forward {
    type filter hook forward priority 0; policy accept;
    oifname "br0" ct state related,established accept
    oifname "br0" ct status dnat accept
    iifname "br0" oifname "br0" accept
    oifname "br0" drop
    iifname "br0" accept
  }
}
`,
  );
});
