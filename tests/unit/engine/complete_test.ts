import { assertEquals, assertThrows } from "@std/assert";
import { commandLine } from "../../../src/engine/bundle.ts";
import { completeRequest, type CompletionFacts } from "../../../src/engine/complete.ts";
import { environment, overrideEnv } from "../../../src/engine/environment.ts";
import { emptyContainerConfig, emptyHostConfig } from "../../../src/engine/host_config.ts";
import type {
  ContainerConfig,
  CreateRequest,
  HostConfig,
  ImageDefaults,
} from "../../../src/engine/types.ts";

const FACTS: CompletionFacts = {
  id: "0123456789abcdef".repeat(4),
  hostHostname: "machine",
  cgroupVersion: 1,
  thermalPaths: [],
};

function complete(
  config: Partial<ContainerConfig>,
  image: ImageDefaults,
  host: Partial<HostConfig> = {},
  facts: Partial<CompletionFacts> = {},
): CreateRequest {
  const request: CreateRequest = {
    ...emptyContainerConfig("x"),
    ...config,
    HostConfig: { ...emptyHostConfig(), ...host },
    NetworkingConfig: { EndpointsConfig: {} },
    Name: "",
    Platform: null,
  };
  return completeRequest(request, image, { ...FACTS, ...facts });
}

const SH: ImageDefaults = { Cmd: ["sh"] };

const COMMANDS: [
  name: string,
  own: [entrypoint: string[] | null, cmd: string[] | null],
  image: [entrypoint: string[] | null, cmd: string[] | null],
  want: string[],
][] = [
  ["the image's both", [null, null], [["e"], ["c"]], ["e", "c"]],
  ["the image's entrypoint, own command", [null, ["x"]], [["e"], ["c"]], ["e", "x"]],
  ["own entrypoint, which drops the image's command", [["x"], null], [["e"], ["c"]], ["x"]],
  ["own both", [["x"], ["y"]], [["e"], ["c"]], ["x", "y"]],
  ["a reset entrypoint, own command", [[""], ["y"]], [["e"], ["c"]], ["y"]],
  ["the image's command", [null, null], [null, ["c"]], ["c"]],
];
for (const [name, own, image, want] of COMMANDS) {
  Deno.test(`completeRequest() runs ${name}`, () => {
    const done = complete(
      { Entrypoint: own[0], Cmd: own[1] },
      { Entrypoint: image[0], Cmd: image[1] },
    );
    assertEquals(commandLine(done), want);
  });
}

Deno.test("completeRequest() refuses a container without a command", () => {
  for (
    const [config, image] of [[{}, {}], [{ Entrypoint: [""] }, { Cmd: ["c"] }]] as const
  ) {
    const error = assertThrows(() => complete(config as Partial<ContainerConfig>, image as never));
    assertEquals(error.message, "no command specified");
  }
});

Deno.test("completeRequest() adds up ports, volumes, labels and variables", () => {
  const done = complete(
    { ExposedPorts: { "1/tcp": {} }, Volumes: { "/a": {} }, Labels: { l: "own" }, Env: ["A=1"] },
    {
      ...SH,
      ExposedPorts: { "2/tcp": {} },
      Volumes: { "/b": {} },
      Labels: { l: "image", m: "" },
      Env: ["A=0", "B=2"],
    },
  );
  assertEquals(Object.keys(done.ExposedPorts!).sort(), ["1/tcp", "2/tcp"]);
  assertEquals(Object.keys(done.Volumes!).sort(), ["/a", "/b"]);
  assertEquals(done.Labels, { l: "own", m: "" });
  assertEquals(done.Env, ["A=1", "B=2"]);
});

Deno.test("completeRequest() drops the image's variables that are unset", () => {
  const image = { ...SH, Env: ["A=0", "B=2"] };
  const env = (Diplodock: HostConfig["Diplodock"]) => complete({}, image, { Diplodock }).Env;
  assertEquals(env({ UnsetEnv: ["A"] }), ["B=2"]);
  assertEquals(env({ UnsetEnvAll: true }), null);
});

Deno.test("completeRequest() takes from the image's health check what was not given", () => {
  const image = { ...SH, Healthcheck: { Test: ["CMD", "x"], Interval: 5, Retries: 9 } };
  assertEquals(complete({ Healthcheck: { Interval: 7 } }, image).Healthcheck, {
    Test: ["CMD", "x"],
    Interval: 7,
    Retries: 9,
  });
  assertEquals(complete({ Healthcheck: { Test: ["NONE"] } }, SH).Healthcheck, { Test: ["NONE"] });
});

const HOSTNAMES: [
  name: string,
  config: Partial<ContainerConfig>,
  host: Partial<HostConfig>,
  want: string,
][] = [
  ["the short id", {}, {}, "0123456789ab"],
  ["what was given", { Hostname: "h" }, {}, "h"],
  ["the host's with its network", {}, { NetworkMode: "host" }, "machine"],
  ["the host's with its UTS namespace", {}, { UTSMode: "host" }, "machine"],
  ["the joined container's", {}, { NetworkMode: "container:c" }, "other"],
];
for (const [name, config, host, want] of HOSTNAMES) {
  Deno.test(`completeRequest() names the container by ${name}`, () => {
    const joined = { hostname: "other", domainname: "" };
    assertEquals(complete(config, SH, host, { joined }).Hostname, want);
  });
}

Deno.test("completeRequest() writes docker's defaults into the host config", () => {
  const { HostConfig: host } = complete({}, SH, { Memory: 100 });
  assertEquals(host.NetworkMode, "bridge");
  assertEquals(host.IpcMode, "private");
  assertEquals(host.CgroupnsMode, "host");
  assertEquals(host.ShmSize, 67108864);
  assertEquals(host.MemorySwap, 200);
  assertEquals(host.LogConfig.Type, "json-file");
  assertEquals(host.MaskedPaths!.includes("/proc/kcore"), true);
  assertEquals(complete({}, SH, {}, { cgroupVersion: 2 }).HostConfig.CgroupnsMode, "private");
});

Deno.test("completeRequest() protects no path of a privileged container", () => {
  const { HostConfig: host } = complete({}, SH, { Privileged: true });
  assertEquals([host.MaskedPaths, host.ReadonlyPaths], [null, null]);
  assertEquals(host.SecurityOpt, ["label=disable"]);
});

Deno.test("completeRequest() leaves empty lists of paths empty", () => {
  const { HostConfig: host } = complete({}, SH, { MaskedPaths: [], ReadonlyPaths: [] });
  assertEquals([host.MaskedPaths, host.ReadonlyPaths], [[], []]);
});

const ENVIRONMENTS: [name: string, config: Partial<ContainerConfig>, want: string[]][] = [
  ["defaults", {}, ["PATH=…", "HOSTNAME=h", "HOME=/root"]],
  ["a terminal", { Tty: true }, ["PATH=…", "HOSTNAME=h", "TERM=xterm", "HOME=/root"]],
  ["variables of its own", { Env: ["A=1", "PATH=/x", "HOME=/h"] }, [
    "PATH=/x",
    "HOSTNAME=h",
    "A=1",
    "HOME=/h",
  ]],
  ["names to drop", { Env: ["HOSTNAME", "HOME", "NOT"] }, ["PATH=…"]],
];
for (const [name, config, want] of ENVIRONMENTS) {
  Deno.test(`environment() has ${name}`, () => {
    const words = environment(
      { ...emptyContainerConfig("x"), Hostname: "h", ...config },
      emptyHostConfig(),
      "/root",
    );
    const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assertEquals(words, want.map((word) => word === "PATH=…" ? path : word));
  });
}

Deno.test("overrideEnv() keeps the place of a name and removes bare ones", () => {
  assertEquals(overrideEnv(["A=1", "B=2", "C=3"], ["B=x=y", "A", "D="]), [
    "B=x=y",
    "C=3",
    "D=",
  ]);
});
