/** Trials of networks: links are made in a namespace that ends with the trial. */
import { AF_INET6, SOCK_DGRAM } from "../../ffi/constants.ts";
import { check, sys } from "../../ffi/libc.ts";
import { addBridge, addVeth, linkUp } from "../../ffi/rtnetlink.ts";
import { isRootless } from "../base/places.ts";
import { createSandbox } from "../net/sandbox.ts";
import { checkTun, chooseProgram } from "../net/user_network.ts";
import { Lacking, type Trial } from "./doctor.ts";

function links(): undefined {
  using sandbox = createSandbox();
  using other = createSandbox();
  sandbox.netlink.batch([
    addBridge({ name: "doctor0" }),
    linkUp("doctor0"),
    addVeth({
      host: { name: "doctor1" },
      peer: { name: "eth0" },
      peerNamespace: other.netns.raw,
    }),
    linkUp("doctor1"),
  ]);
  other.netlink.batch([linkUp("eth0")]);
}

function ipv6(): undefined {
  sys("close", check("open a socket for IPv6", "socket", AF_INET6, SOCK_DGRAM, 0));
  const setting = "/proc/sys/net/ipv6/conf/all/disable_ipv6";
  if (Deno.readTextFileSync(setting).trim() === "1") throw new Lacking(`${setting} is 1`);
}

async function dns(): Promise<undefined> {
  const { tryDns } = await import("../net/dns.ts");
  using sandbox = createSandbox();
  await tryDns(sandbox);
}

/** Reads the rules there are: nothing is changed. */
async function firewall(): Promise<string | undefined> {
  const tries = [["iptables", "-w", "5", "-t", "nat", "-S"], ["nft", "list", "ruleset"]];
  const reasons: string[] = [];
  for (const [program, ...args] of tries) {
    try {
      const command = new Deno.Command(program, { args, stdin: "null", stdout: "null" });
      const { success, stderr } = await command.output();
      if (success) return reasons.length === 0 ? undefined : `only with ${program}: ${reasons[0]}`;
      const [line] = new TextDecoder().decode(stderr).trim().split("\n");
      reasons.push(`${program}: ${line}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      reasons.push(`${program} is not installed`);
    }
  }
  throw new Lacking(reasons.join("; "));
}

/** An ordinary user's containers have a program for a network, and no bridges. */
const USER_TRIALS: readonly Trial[] = [
  {
    feature: "network of its own",
    flags: "--network, -p",
    remedy: "install passt or slirp4netns, and let users open /dev/net/tun (chmod 666, as udev " +
      "has it); without: --network host or none",
    run() {
      chooseProgram();
      checkTun();
      return undefined;
    },
  },
  {
    feature: "bridge and veth",
    flags: "network create",
    remedy: "run as root; without: the default network, --network host, none or container:NAME",
    run() {
      throw new Lacking("only root can make networks of the machine");
    },
  },
];

const ROOT_TRIALS: readonly Trial[] = [
  {
    feature: "bridge and veth",
    flags: "--network",
    remedy: "load the modules bridge and veth; without them: --network host or none",
    run: links,
  },
  {
    feature: "packet filter",
    flags: "-p, --network",
    remedy: "install iptables or nftables and load their modules; " +
      "without: -p by --userland-proxy, and no way out of a bridge but by routes",
    run: firewall,
  },
  {
    feature: "DNS for containers",
    flags: "network create",
    remedy: "use Linux 5.10 with CONFIG_NET_CLS_BPF and CONFIG_NET_SCH_INGRESS, and have " +
      "CAP_BPF; without: names of containers in their /etc/hosts only",
    run: dns,
  },
  {
    feature: "IPv6",
    flags: "network create --ipv6",
    remedy: "boot without ipv6.disable=1 and set net.ipv6.conf.all.disable_ipv6 to 0",
    run: ipv6,
  },
];

/** Networks come last: a container can do without. */
export const NETWORK_TRIALS: readonly Trial[] = isRootless() ? USER_TRIALS : ROOT_TRIALS;
