import { assertEquals, assertThrows } from "@std/assert";
import {
  buildNetworking,
  parseAddHost,
  parseDns,
  parseDnsSearch,
  parseLink,
  parseNetwork,
} from "../../../../src/cli/flags/networks.ts";

const NONE = { aliases: [], links: [], linkLocalIps: [], ipv4: "", ipv6: "", mac: "" };

Deno.test("parseNetwork() takes a plain name as it is", () => {
  assertEquals(parseNetwork("container:Web").target, "container:Web");
});

Deno.test("parseNetwork() reads the long form", () => {
  const network = parseNetwork(
    "name=Net,alias=a,alias=b,ip=1.2.3.4,ip6=::1,mac-address=02:42:ac:11:00:02," +
      "link-local-ip=169.254.1.1,driver-opt=k=v,gw-priority=-1",
  );
  assertEquals(network, {
    target: "Net",
    aliases: ["a", "b"],
    links: [],
    linkLocalIps: ["169.254.1.1"],
    driverOpts: { k: "v" },
    ipv4: "1.2.3.4",
    ipv6: "::1",
    mac: "02:42:ac:11:00:02",
    gwPriority: -1,
  });
});

const BAD_NETWORKS: [text: string, error: string][] = [
  ["name=a,foo=b", "invalid field key foo"],
  ["alias=b", "network name/id is not specified"],
  ["name=a,b", "invalid field b"],
  ["name=a,gw-priority=x", "invalid gw-priority (x): invalid syntax"],
  ["name=a,driver-opt=x", "invalid key value pair format in driver options"],
];
for (const [text, error] of BAD_NETWORKS) {
  Deno.test(`parseNetwork() refuses ${text}`, () => {
    assertEquals(assertThrows(() => parseNetwork(text)).message, error);
  });
}

Deno.test("buildNetworking() has the default network when none was given", () => {
  assertEquals(Object.keys(buildNetworking([], NONE).EndpointsConfig), ["default"]);
});

Deno.test("buildNetworking() gives the old flags to the first network", () => {
  const { EndpointsConfig: endpoints } = buildNetworking(
    ["a", "b"].map(parseNetwork),
    { ...NONE, aliases: ["x"], links: ["c:d"], ipv4: "1.2.3.4" },
  );
  assertEquals(endpoints.a.Aliases, ["x"]);
  assertEquals(endpoints.a.Links, ["c:d"]);
  assertEquals(endpoints.a.IPAMConfig, { IPv4Address: "1.2.3.4" });
  assertEquals(endpoints.b.Aliases, null);
  assertEquals(endpoints.b.IPAMConfig, null);
});

const CONFLICTS: [networks: string[], flags: Partial<typeof NONE>, error: string][] = [
  [
    ["name=a,alias=b"],
    { aliases: ["c"] as never[] },
    "conflicting options: cannot specify both --network-alias and per-network alias",
  ],
  [
    ["name=a,ip=1.1.1.1"],
    { ipv4: "1.1.1.2" },
    "conflicting options: cannot specify both --ip and per-network IPv4 address",
  ],
  [["a", "b", "a"], {}, 'network "a" is specified multiple times'],
  [
    ["a", "host"],
    {},
    "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
  ],
  [
    ["none"],
    { aliases: ["c"] as never[] },
    "network-scoped aliases are only supported for user-defined networks",
  ],
  [[""], {}, "no name set for network"],
  [["a"], { mac: "zz" }, "zz is not a valid mac address"],
];
for (const [networks, flags, error] of CONFLICTS) {
  Deno.test(`buildNetworking() refuses ${networks.join(" and ") || "an empty name"}: ${error}`, () => {
    const parsed = networks.map(parseNetwork);
    assertEquals(
      assertThrows(() => buildNetworking(parsed, { ...NONE, ...flags })).message,
      error,
    );
  });
}

const TEXTS: [parse: (text: string) => string, text: string, want: string | Error][] = [
  [parseDns, " 8.8.8.8", "8.8.8.8"],
  [parseDns, "::0001", "::1"],
  [parseDns, "x", Error("IP address is not correctly formatted: x")],
  [parseDnsSearch, "a.b.", "a.b"],
  [parseDnsSearch, ".", "."],
  [parseDnsSearch, "1.1", Error("1.1 is not a valid domain")],
  [parseDnsSearch, "-a", Error("-a is not a valid domain")],
  [parseAddHost, "h:1.2.3.4", "h:1.2.3.4"],
  [parseAddHost, "h=::1", "h:::1"],
  [parseAddHost, "h:[::1]", "h:::1"],
  [parseAddHost, "h:host-gateway", "h:host-gateway"],
  [parseAddHost, "a", Error('bad format for add-host: "a"')],
  [parseAddHost, ":1.1.1.1", Error('bad format for add-host: ":1.1.1.1"')],
  [parseAddHost, "h:x", Error('invalid IP address in add-host: "x"')],
  [parseLink, "a:b", "a:b"],
  [parseLink, "", Error("empty string specified for links")],
  [parseLink, "a:b:c", Error("bad format for links: a:b:c")],
];
for (const [parse, text, want] of TEXTS) {
  Deno.test(`${parse.name}() reads "${text}"`, () => {
    if (typeof want === "string") assertEquals(parse(text), want);
    else assertEquals(assertThrows(() => parse(text)).message, want.message);
  });
}
