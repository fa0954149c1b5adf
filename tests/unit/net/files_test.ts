import { assert, assertEquals } from "@std/assert";
import { hostsText, withNeighbours } from "../../../src/net/hosts_file.ts";
import {
  containerResolvConf,
  hostResolvConf,
  parseResolvConf,
} from "../../../src/net/resolv_conf.ts";

const NONE = { dns: [], search: [], options: [] };
const V4 = { ipv6: () => false };

const RESOLV: [what: string, host: string, asked: Partial<typeof NONE>, want: string[]][] = [
  ["copies the host's", "nameserver 10.0.0.1\nsearch lan home\noptions ndots:2\n", {}, [
    "nameserver 10.0.0.1",
    "search lan home",
    "options ndots:2",
  ]],
  ["leaves loopback servers out", "nameserver 127.0.0.1\nnameserver 10.0.0.1\n", {}, [
    "nameserver 10.0.0.1",
  ]],
  ["leaves IPv6 servers out without IPv6", "nameserver fd00::1\nnameserver 10.0.0.1\n", {}, [
    "nameserver 10.0.0.1",
  ]],
  ["falls back on public servers", "nameserver ::1\n", {}, [
    "nameserver 8.8.8.8",
    "nameserver 8.8.4.4",
  ]],
  ["takes --dns instead", "nameserver 10.0.0.1\nsearch lan\n", { dns: ["1.1.1.1"] as never }, [
    "nameserver 1.1.1.1",
    "search lan",
  ]],
  ["takes a single dot as no search", "nameserver 10.0.0.1\nsearch lan\n", {
    search: ["."] as never,
  }, ["nameserver 10.0.0.1"]],
  ["ignores comments and the first of two searches", "# x\nsearch a\nsearch b ; c\n", {}, [
    "nameserver 8.8.8.8",
    "nameserver 8.8.4.4",
    "search b",
  ]],
];
for (const [what, host, asked, want] of RESOLV) {
  Deno.test(`containerResolvConf() ${what}`, () => {
    const text = containerResolvConf(host, { ...NONE, ...asked }, V4);
    assertEquals(text.split("\n").filter((line) => line !== "" && !line.startsWith("#")), want);
  });
}

Deno.test("containerResolvConf() keeps loopback servers on the host's own network", () => {
  const text = containerResolvConf("nameserver 127.0.0.53\n", NONE, { ...V4, shared: true });
  assertEquals(parseResolvConf(text).nameservers, ["127.0.0.53"]);
});

Deno.test("containerResolvConf() keeps IPv6 servers where the container has IPv6", () => {
  const of = (text: string) => {
    const made = containerResolvConf(text, NONE, { ipv6: () => true });
    return parseResolvConf(made).nameservers;
  };
  assertEquals(of("nameserver fd00::1\nnameserver 10.0.0.1\n"), ["fd00::1", "10.0.0.1"]);
  assertEquals(of("nameserver ::1\n").slice(2), ["2001:4860:4860::8888", "2001:4860:4860::8844"]);
});

Deno.test("hostResolvConf() looks behind systemd-resolved's stub", () => {
  const files: Record<string, string> = {
    "/etc/resolv.conf": "nameserver 127.0.0.53\n",
    "/run/systemd/resolve/resolv.conf": "nameserver 192.168.1.1\n",
  };
  assertEquals(hostResolvConf((path) => files[path]), "nameserver 192.168.1.1\n");
});

const HOSTS = {
  hostname: "web",
  domainname: "",
  ips: ["10.1.0.2"],
  extraHosts: ["db:10.0.0.9", "six:[fd00::9]", "gw:host-gateway"],
  hostGateway: "10.1.0.1",
};

Deno.test("hostsText() has localhost, the user's lines, then the container's own", () => {
  const lines = hostsText(HOSTS).trim().split("\n");
  assertEquals(lines[0], "127.0.0.1\tlocalhost");
  assertEquals(lines.slice(-4), [
    "10.0.0.9\tdb",
    "fd00::9\tsix",
    "10.1.0.1\tgw",
    "10.1.0.2\tweb",
  ]);
});

Deno.test("hostsText() puts the full name first when there is a domain", () => {
  assert(hostsText({ ...HOSTS, domainname: "lan" }).endsWith("10.1.0.2\tweb.lan web\n"));
  assert(hostsText({ ...HOSTS, hostname: "web.lan" }).endsWith("10.1.0.2\tweb.lan web\n"));
});

Deno.test("hostsText() starts from another file when told to", () => {
  assert(hostsText({ ...HOSTS, base: "1.2.3.4 x" }).startsWith("1.2.3.4 x\n10.0.0.9\tdb\n"));
});

Deno.test("withNeighbours() replaces its block and keeps what a user wrote around it", () => {
  const first = withNeighbours("127.0.0.1\tlocalhost\n", [{ ip: "10.1.0.3", names: ["db"] }]);
  const edited = `${first}1.2.3.4\tmine\n`;
  const second = withNeighbours(edited, [{ ip: "10.1.0.4", names: ["db", "db2"] }]);
  assert(!second.includes("10.1.0.3"));
  assert(second.includes("10.1.0.4\tdb db2\n") && second.includes("1.2.3.4\tmine\n"));
  assertEquals(withNeighbours(second, []), "127.0.0.1\tlocalhost\n1.2.3.4\tmine\n");
});
