import { assertEquals } from "@std/assert";
import { expressionsOf, fillChain, natChain } from "../../../src/net/native_rules.ts";
import { sampleRules } from "../../../src/net/native_proof.ts";
import type { Rule } from "../../../src/net/rules.ts";

const dnat = { dnat: "10.0.0.2:80" };
const FOREIGN: [what: string, rule: Rule][] = [
  ["sctp, which iptables matches otherwise", {
    match: { protocol: "sctp", port: 1 },
    verdict: dnat,
  }],
  ["a verdict of the filter table", { match: { out: "br0" }, verdict: "accept" }],
  ["a state of connections", { match: { established: true }, verdict: "masquerade" }],
  ["the interface of arrival", { match: { in: "br0" }, verdict: "masquerade" }],
];
for (const [what, rule] of FOREIGN) {
  Deno.test(`fillChain() leaves ${what} to iptables`, () => {
    const at = natChain(4, "", "PORTS");
    assertEquals(fillChain(at, [...sampleRules(4), rule]), undefined);
  });
}

Deno.test("expressionsOf() compares whole bytes of a subnet, and bits by a mask", () => {
  const names = (source: string) =>
    expressionsOf(4, { match: { source }, verdict: "masquerade" })!.map(({ name }) => name);
  assertEquals(names("10.0.0.0/16"), ["payload", "cmp", "counter", "target"]);
  assertEquals(names("10.0.0.0/20"), ["payload", "bitwise", "cmp", "counter", "target"]);
});
