import { assert, assertEquals } from "@std/assert";
import { type Applied, readApplied, writeApplied } from "../../src/net/applied.ts";
import { showRule } from "../../src/net/iptables.ts";
import { applyNatively } from "../../src/net/native_apply.ts";
import { proveNative, sampleRules } from "../../src/net/native_proof.ts";
import { fillChain, natChain } from "../../src/net/native_rules.ts";
import type { PublishedPort } from "../../src/net/ports.ts";
import type { RuleSet } from "../../src/net/rules.ts";
import { currentGeneration } from "../../src/net/rules_mark.ts";
import { hasAllRules, restoreLostRules } from "../../src/net/rules_watch.ts";
import { commitRules } from "../../ffi/nf_commit.ts";
import { SyscallError } from "../../ffi/errno.ts";
import { hasProgram, Host, isRoot } from "./net_host.ts";

async function sh(line: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("sh", { args: ["-ec", line] })
    .output();
  assert(success, `${line}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** Does `iptables` speak to nf_tables here, in the expressions that we know? */
async function isKnown(host: Host): Promise<boolean> {
  const first = await host.connect({
    portBindings: { "80/tcp": [{ HostIp: "", HostPort: "8080" }] },
  });
  const known = readApplied(host.places)?.native?.[4] === true;
  await host.end(first);
  return known;
}

type Set = RuleSet & Pick<Applied, "networks">;

function setOf(applied: Applied, ports: Partial<PublishedPort>[]): Set {
  const { networks } = applied;
  const port = { hostIp: "0.0.0.0", containerIp: "10.212.0.9", containerPort: 80 };
  const bridge = networks[0].bridge;
  return {
    networks,
    ports: ports.map((some, i) => ({
      protocol: "tcp",
      hostPort: 9000 + i,
      ...port,
      ...some,
      bridge,
    })),
  };
}

const ignore = !isRoot || !hasProgram("iptables-restore");

Deno.test({
  name: "proveNative() finds that our expressions are those of the iptables that is known",
  ignore,
  fn: async () => {
    if (!/v1\.8\.9 \(nf_tables\)/.test(await sh("iptables --version"))) return;
    await using host = new Host();
    Deno.mkdirSync(host.places.run, { recursive: true });
    assertEquals(await proveNative(host.places, "iptables", 4), true);
    assertEquals(await proveNative(host.places, "iptables", 6), true);
    assertEquals((await sh("iptables-save; ip6tables-save")).includes("PROOF"), false);
    assertEquals(await proveNative(host.places, "iptables-legacy", 4), false);
  },
});

Deno.test({
  name: "what the proof said is kept, whatever it was, when no port is published any more",
  ignore,
  fn: async () => {
    await using host = new Host();
    if (!await isKnown(host)) return;
    writeApplied(host.places, { ...readApplied(host.places)!, native: { 4: false } });
    const web = await host.connect({
      portBindings: { "80/tcp": [{ HostIp: "", HostPort: "8080" }] },
    });
    await host.end(web);
    assertEquals(readApplied(host.places)?.native, { 4: false });
  },
});

Deno.test({
  name: "applyNatively() gives rules that iptables lists as the ones it was asked for",
  ignore,
  fn: async () => {
    await using host = new Host();
    if (!await isKnown(host)) return;
    const applied = readApplied(host.places)!;
    await restoreLostRules(host.places);
    for (const protocol of ["tcp", "udp"]) {
      const many = Array.from({ length: 40 }, () => ({ protocol }));
      const set = setOf(applied, [{ protocol, hostIp: "127.0.0.1" }, ...many]);
      assertEquals(applyNatively(host.places, set, applied), true);
      const saved = await sh("iptables-save");
      assertEquals(hasAllRules(saved, 4, host.places.tag, set), true);
      assert(saved.includes(`-d 127.0.0.1/32 -p ${protocol} -m ${protocol} --dport 9000 -j DNAT`));
      assert(saved.includes(`--dport 9040 -j DNAT --to-destination 10.212.0.9:80`));
    }
  },
});

Deno.test({
  name: "applyNatively() leaves it to iptables where somebody was at the rules",
  ignore,
  fn: async () => {
    await using host = new Host();
    if (!await isKnown(host)) return;
    const applied = readApplied(host.places)!;
    await restoreLostRules(host.places);
    const before = await sh("iptables -t nat -N FOREIGN; iptables-save -t nat | grep -v '^#'");
    assertEquals(applyNatively(host.places, setOf(applied, [{}]), applied), false);
    assertEquals(await sh("iptables-save -t nat | grep -v '^#'"), before);
  },
});

Deno.test({
  name: "applyNatively() leaves sctp and other networks to iptables",
  ignore,
  fn: async () => {
    await using host = new Host();
    if (!await isKnown(host)) return;
    const applied = readApplied(host.places)!;
    await restoreLostRules(host.places);
    const sctp = setOf(applied, [{ protocol: "sctp" }]);
    assertEquals(applyNatively(host.places, sctp, applied), false);
    const more = { ...setOf(applied, [{}]), networks: [] };
    assertEquals(applyNatively(host.places, more, applied), false);
  },
});

Deno.test({
  name: "commitRules() changes nothing if one of its changes is refused",
  ignore,
  fn: async () => {
    await using _host = new Host();
    const at = natChain(4, "x", "HERE"), missing = natChain(4, "x", "MISSING");
    await sh(`iptables -t nat -N ${at.chain}`);
    const rules = sampleRules(4);
    const changes = [...fillChain(at, rules)!, ...fillChain(missing, rules)!];
    let refused: unknown;
    try {
      commitRules(currentGeneration(), changes);
    } catch (error) {
      refused = error;
    }
    assert(refused instanceof SyscallError, `${refused}`);
    const saved = await sh("iptables-save -t nat");
    assertEquals(saved.includes(`-A ${at.chain}`), false);
    commitRules(currentGeneration(), fillChain(at, rules)!);
    const listed = (await sh("iptables-save -t nat")).split("\n")
      .filter((line) => line.startsWith(`-A ${at.chain}`));
    assertEquals(listed.length, rules.length, showRule(rules[0]));
  },
});
