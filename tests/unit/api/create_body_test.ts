import { assertEquals, assertThrows } from "@std/assert";
import { createRequest, pick, RESOURCES } from "../../../src/api/create_body.ts";
import { ApiError } from "../../../src/api/http_head.ts";
import {
  emptyContainerConfig,
  emptyEndpoint,
  emptyHostConfig,
} from "../../../src/engine/host_config.ts";

const request = (body: unknown, name = "", platform = "") => createRequest(body, name, platform);

Deno.test("createRequest() of a body that only names an image has every default", () => {
  const { HostConfig, NetworkingConfig, Name, Platform, ...config } = request({ Image: "i" });
  assertEquals(config, { ...emptyContainerConfig(""), Image: "i" });
  assertEquals(HostConfig, emptyHostConfig());
  assertEquals(NetworkingConfig.EndpointsConfig, {
    [HostConfig.NetworkMode]: emptyEndpoint(),
  });
  assertEquals([Name, Platform], ["", null]);
});

Deno.test("createRequest() takes zero values and nulls for what was not given", () => {
  const host = {
    Memory: 0,
    MemorySwappiness: -1,
    PidsLimit: -1,
    OomKillDisable: false,
    NetworkMode: "",
    Binds: null,
    LogConfig: { Type: "", Config: null },
    RestartPolicy: { Name: "", MaximumRetryCount: 0 },
    PortBindings: null,
  };
  const { HostConfig } = request({ Image: "i", Cmd: null, Labels: null, HostConfig: host });
  assertEquals(HostConfig.MemorySwappiness, null);
  assertEquals(HostConfig.PidsLimit, null);
  assertEquals(HostConfig.OomKillDisable, null);
  assertEquals(HostConfig.NetworkMode, emptyHostConfig().NetworkMode);
  assertEquals(HostConfig.Binds, emptyHostConfig().Binds);
  assertEquals(HostConfig.PortBindings, {});
});

Deno.test("createRequest() keeps a limit of processes and a swappiness of 0", () => {
  const { HostConfig } = request({
    Image: "i",
    HostConfig: { PidsLimit: 7, MemorySwappiness: 0, OomKillDisable: true },
  });
  assertEquals(
    [HostConfig.PidsLimit, HostConfig.MemorySwappiness, HostConfig.OomKillDisable],
    [7, 0, true],
  );
});

Deno.test("createRequest() reads one word for a command as a list of it", () => {
  const { Cmd, Entrypoint } = request({ Image: "i", Cmd: "true", Entrypoint: ["a", "b"] });
  assertEquals([Cmd, Entrypoint], [["true"], ["a", "b"]]);
});

Deno.test("createRequest() gives ports their protocol and bindings both halves", () => {
  const PortBindings = { "80": [{ HostPort: "8080" }], "53/udp": [{}], "9/tcp": null };
  assertEquals(request({ Image: "i", HostConfig: { PortBindings } }).HostConfig.PortBindings, {
    "80/tcp": [{ HostIp: "", HostPort: "8080" }],
    "53/udp": [{ HostIp: "", HostPort: "" }],
  });
});

Deno.test("createRequest() has an endpoint for the network mode, and the older MAC address in it", () => {
  const endpoints = (body: object) =>
    request({ Image: "i", ...body }).NetworkingConfig.EndpointsConfig;
  const HostConfig = { NetworkMode: "back" };
  const mac = "02:00:00:00:00:01";
  assertEquals(endpoints({ HostConfig, MacAddress: mac }), {
    back: { ...emptyEndpoint(), MacAddress: mac },
  });
  const EndpointsConfig = { back: { Aliases: ["a"], MacAddress: "02:00:00:00:00:02" }, other: {} };
  const given = endpoints({ HostConfig, MacAddress: mac, NetworkingConfig: { EndpointsConfig } });
  assertEquals(Object.keys(given), ["back", "other"]);
  assertEquals(given.back, {
    ...emptyEndpoint(),
    Aliases: ["a"],
    MacAddress: "02:00:00:00:00:02",
  });
  const apart = { NetworkingConfig: { EndpointsConfig: { other: {} } }, HostConfig };
  assertEquals(Object.keys(endpoints(apart)).sort(), ["back", "other"]);
});

Deno.test("createRequest() makes the mode none of a network that is disabled", () => {
  const body = {
    Image: "i",
    NetworkDisabled: true,
    HostConfig: { NetworkMode: "back" },
    NetworkingConfig: { EndpointsConfig: { back: {} } },
  };
  const made = request(body);
  assertEquals([made.NetworkDisabled, made.HostConfig.NetworkMode], [true, "none"]);
  assertEquals(Object.keys(made.NetworkingConfig.EndpointsConfig), ["none"]);
  assertEquals("NetworkDisabled" in request({ ...body, NetworkDisabled: false }), false);
});

Deno.test("createRequest() takes the slash off a name and reads a platform", () => {
  const { Name, Platform } = request({ Image: "i" }, "/a", "linux/arm/v7");
  assertEquals([Name, Platform], ["a", { os: "linux", architecture: "arm", variant: "v7" }]);
});

const WRONG: readonly (readonly [body: unknown, words: string])[] = [
  [null, "config cannot be empty in order to create a container"],
  [{}, "config cannot be empty in order to create a container"],
  [{ HostConfig: {} }, "config cannot be empty in order to create a container"],
  [[], "invalid JSON: Config: want an object"],
  ["text", "invalid JSON: Config: want an object"],
  [{ Image: 5 }, "invalid JSON: Config.Image: want text"],
  [{ Image: "i", HostConfig: [] }, "invalid JSON: HostConfig: want an object"],
  [{ Image: "i", HostConfig: { Memory: "x" } }, "invalid JSON: HostConfig.Memory: want a number"],
];
for (const [body, words] of WRONG) {
  Deno.test(`createRequest() refuses ${JSON.stringify(body)}`, () => {
    const error = assertThrows(() => request(body), ApiError);
    assertEquals([error.status, error.message], [400, words]);
  });
}

Deno.test("createRequest() does not look at what it does not know", () => {
  const made = request({ Image: "i", Unknown: 1, HostConfig: { Unknown: [] } });
  assertEquals("Unknown" in made || "Unknown" in made.HostConfig, false);
});

Deno.test("pick() leaves out what is unknown and what is null, at any depth", () => {
  const body = { Memory: 5, NanoCpus: null, Other: 1, Ulimits: [{ Name: "n", Hard: null }] };
  assertEquals(pick<object>(body, RESOURCES, "Update"), { Memory: 5, Ulimits: [{ Name: "n" }] });
});
