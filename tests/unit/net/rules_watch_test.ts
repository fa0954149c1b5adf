import { assertEquals } from "@std/assert";
import { restoreText } from "../../../src/net/iptables.ts";
import { countRules, nftText } from "../../../src/net/nft.ts";
import type { RuleSet } from "../../../src/net/rules.ts";
import { generationIn } from "../../../src/net/rules_mark.ts";
import { hasAllRules } from "../../../src/net/rules_watch.ts";

const SET: RuleSet = {
  networks: [{
    bridge: "br0",
    subnet4: "10.1.0.0/16",
    subnet6: "fd00:1::/64",
    internal: false,
    masquerade: true,
  }],
  ports: [{
    protocol: "tcp",
    hostIp: "0.0.0.0",
    hostPort: 8080,
    containerIp: "10.1.0.2",
    containerPort: 80,
    bridge: "br0",
  }],
};

/** What iptables-save shows after the text was restored. */
const saved = (version: 4 | 6) => restoreText(version, SET, "", "absent").replaceAll("-I ", "-A ");

const LOST: [what: string, change: (text: string) => string, whole: boolean][] = [
  ["all rules", (text) => text, true],
  ["all rules and somebody else's", (text) => `${text}*nat\n-A DOCKER -j RETURN\nCOMMIT\n`, true],
  ["no jump to the ports", (text) => text.replace(/-A OUTPUT .*\n/, ""), false],
  ["one rule less", (text) => text.replace(/-A DIPLODOCK-FORWARD .*\n/, ""), false],
  ["no rule of a chain", (text) => text.replace(/-A DIPLODOCK-PO.*\n/g, ""), false],
  ["nothing at all", () => "", false],
];
for (const version of [4, 6] as const) {
  for (const [what, change, whole] of LOST) {
    Deno.test(`hasAllRules() of IPv${version} where there is ${what}`, () =>
      assertEquals(hasAllRules(change(saved(version)), version, "", SET), whole));
  }
}

Deno.test("countRules() counts the same in what nft is given and in what it lists", () => {
  const listing = `table ip diplodock {
\tchain ports {
\t\ttcp dport 8080 dnat to 10.1.0.2:80
\t}

\tchain prerouting {
\t\ttype nat hook prerouting priority dstnat; policy accept;
\t\tfib daddr type local jump ports
\t}
}
`;
  assertEquals(countRules(listing), 2);
  const given = nftText([4], SET, "");
  assertEquals(
    countRules(given),
    given.match(/ (accept|drop|masquerade|jump ports|dnat to .*)$/gm)!.length,
  );
});

Deno.test("generationIn() finds the number of the rules", () => {
  const answer = new Uint8Array([
    ...[28, 0, 0, 0, 15, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], // a header: 28 bytes, NFT_MSG_NEWGEN
    ...[0, 0, 0, 7], // nfgenmsg
    ...[8, 0, 1, 0, 0, 0, 1, 2], // NFTA_GEN_ID
  ]);
  assertEquals(generationIn(answer), "0.0.1.2");
  const refusal = new Uint8Array(36);
  refusal.set([36, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0]);
  assertEquals(generationIn(refusal), "none");
});
