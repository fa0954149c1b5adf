import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { emptyContainerConfig, emptyHostConfig } from "../../../src/engine/host_config.ts";
import { checkLogConfig, parseLogOptions } from "../../../src/engine/log_options.ts";
import { checkContainerName, randomName } from "../../../src/engine/names.ts";
import { parseSecurityOptions } from "../../../src/engine/security_opts.ts";
import type { ContainerConfig, CreateRequest, HostConfig } from "../../../src/engine/types.ts";
import { validate } from "../../../src/engine/validate.ts";
import { type HostFacts, parseCpuList } from "../../../src/engine/validate_limits.ts";

const MIB = 1 << 20;

const FACTS: HostFacts = {
  cpus: 2,
  cpuList: "0-1",
  memoryNodeList: "0",
  exists: (path) => path === "/there",
};

type Change = Partial<ContainerConfig> & { host?: Partial<HostConfig>; Name?: string };

function request({ host, ...config }: Change): CreateRequest {
  return {
    ...emptyContainerConfig("x"),
    HostConfig: { ...emptyHostConfig(), ...host },
    NetworkingConfig: { EndpointsConfig: {} },
    Name: "",
    Platform: null,
    ...config,
  };
}

const JOIN = { NetworkMode: "container:c" };
const PORTS = { "80/tcp": [{ HostIp: "", HostPort: "" }] };
const CONFLICT = "conflicting options:";
const POLICY = "invalid restart policy:";
const COUNT = `${POLICY} maximum retry count`;

const REFUSED: [change: Change, error: string][] = [
  [
    { Name: "a b" },
    "Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
  ],
  [{ Name: "a" }, "Invalid container name (a), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"],
  [
    { WorkingDir: "x" },
    "the working directory 'x' is invalid, it needs to be an absolute path",
  ],
  [{ StopSignal: "FOO" }, "Invalid signal: FOO"],
  [{ Env: ["=x"] }, "invalid environment variable: =x"],
  [
    { Healthcheck: { Interval: 999_999 } },
    "Interval in Healthcheck cannot be less than 1ms",
  ],
  [{ Hostname: "h", host: JOIN }, `${CONFLICT} hostname and the network mode`],
  [{ host: { ...JOIN, Dns: ["1.1.1.1"] } }, `${CONFLICT} dns and the network mode`],
  [
    { host: { ...JOIN, ExtraHosts: ["a:1.1.1.1"] } },
    `${CONFLICT} custom host-to-IP mapping and the network mode`,
  ],
  [
    { host: { ...JOIN, PortBindings: PORTS } },
    `${CONFLICT} port publishing and the container type network mode`,
  ],
  [
    { ExposedPorts: { "80/tcp": {} }, host: JOIN },
    `${CONFLICT} port exposing and the container type network mode`,
  ],
  [
    { host: { NetworkMode: "container:" } },
    "invalid network mode: invalid container format container:<name|id>",
  ],
  [
    { host: { NetworkMode: "host", Links: ["a"] } },
    `${CONFLICT} host type networking can't be used with links. ` +
    "This would result in undefined behavior",
  ],
  [{ Hostname: "h", host: { UTSMode: "host" } }, `${CONFLICT} hostname and the UTS mode`],
  [
    { host: { NetworkMode: "host", Sysctls: { "net.core.somaxconn": "1" } } },
    'sysctl "net.core.somaxconn" not allowed in host network namespace',
  ],
  [{ host: { Isolation: "hyperv" } }, "invalid isolation (hyperv): linux only supports 'default'"],
  [
    { host: { Mounts: [{ Type: "bind", Source: "/gone", Target: "/x" }] } },
    'invalid mount config for type "bind": bind source path does not exist: /gone',
  ],
  [{ host: { Binds: ["/a:/d", "/b:/d"] } }, "Duplicate mount point: /d"],
  [
    { host: { RestartPolicy: { Name: "foo" as "no", MaximumRetryCount: 0 } } },
    `${POLICY} unknown policy 'foo'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
  ],
  [
    { host: { RestartPolicy: { Name: "always", MaximumRetryCount: 2 } } },
    `${COUNT} can only be used with 'on-failure'`,
  ],
  [
    { host: { RestartPolicy: { Name: "on-failure", MaximumRetryCount: -1 } } },
    `${COUNT} cannot be negative`,
  ],
  [{ host: { CapAdd: ["CAP_FOO"] } }, 'invalid CapAdd: unknown capability: "CAP_FOO"'],
  [{ host: { CapDrop: ["FOO"] } }, 'invalid CapDrop: unknown capability: "CAP_FOO"'],
  [{ host: { IpcMode: "foo" } }, "invalid IPC mode: foo"],
  [{ host: { Runtime: "foo" } }, "unknown or invalid runtime name: foo"],
  [
    { host: { LogConfig: { Type: "json-file", Config: { foo: "1" } } } },
    "unknown log opt 'foo' for json-file log driver",
  ],
  [{ host: { SecurityOpt: ["foo=1"] } }, 'invalid --security-opt 2: "foo=1"'],
  [
    { host: { StorageOpt: { size: "1G" } } },
    "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
  ],
  [
    {
      host: {
        DeviceRequests: [
          { Driver: "", Count: -1, DeviceIDs: null, Capabilities: [["gpu"]], Options: {} },
        ],
      },
    },
    'could not select device driver "" with capabilities: [[gpu]]',
  ],
  [{ host: { Memory: 5 * MIB } }, "Minimum memory limit allowed is 6MB"],
  [
    { host: { Memory: 8 * MIB, MemorySwap: 7 * MIB } },
    "Minimum memoryswap limit should be larger than memory limit, see usage",
  ],
  [
    { host: { MemorySwap: 7 * MIB } },
    "You should always set the Memory limit when using Memoryswap limit, see usage",
  ],
  [
    { host: { Memory: 8 * MIB, MemoryReservation: 9 * MIB } },
    "Minimum memory limit can not be less than memory reservation limit, see usage",
  ],
  [
    { host: { NanoCpus: 2.5e9 } },
    "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
  ],
  [
    { host: { NanoCpus: -1e9 } },
    "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available",
  ],
  [
    { host: { NanoCpus: 1e9, CpuQuota: 1000 } },
    "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
  ],
  [
    { host: { CpuPeriod: 999 } },
    "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
  ],
  [{ host: { CpuQuota: 999 } }, "CPU cfs quota can not be less than 1ms (i.e. 1000)"],
  [
    { host: { CpuRealtimePeriod: 1, CpuRealtimeRuntime: 2 } },
    "cpu real-time runtime cannot be higher than cpu real-time period",
  ],
  [
    { host: { CpusetCpus: "0,9" } },
    "Requested CPUs are not available - requested 0,9, available: 0-1",
  ],
  [
    { host: { CpusetMems: "1" } },
    "Requested memory nodes are not available - requested 1, available: 0",
  ],
  [{ host: { CpusetCpus: "a" } }, "Invalid value a for cpuset cpus: invalid format: a"],
  [{ host: { BlkioWeight: 5 } }, "Range of blkio weight is from 10 to 1000"],
  [
    { host: { OomScoreAdj: 2000 } },
    "Invalid value 2000, range for oom score adj is [-1000, 1000]",
  ],
];
for (const [change, error] of REFUSED) {
  Deno.test(`validate() refuses: ${error}`, () => {
    assertEquals(assertThrows(() => validate(request(change), FACTS)).message, error);
  });
}

const TAKEN: Change[] = [
  {},
  { Name: "a_b.c-1", WorkingDir: "/x", StopSignal: "SIGKILL" },
  { host: { Mounts: [{ Type: "bind", Source: "/there", Target: "/x" }] } },
  { host: { NanoCpus: 2e9, CpusetCpus: "0-1", CpusetMems: "0", PidsLimit: -1 } },
  { host: { Memory: 6 * MIB, MemorySwap: -1, MemorySwappiness: 0 } },
  { host: { RestartPolicy: { Name: "on-failure", MaximumRetryCount: 3 } } },
  { host: { IpcMode: "container:c", SecurityOpt: ["no-new-privileges:true", "label=disable"] } },
];
for (const change of TAKEN) {
  Deno.test(`validate() takes ${JSON.stringify(change)}`, () => {
    assertEquals(validate(request(change), FACTS), []);
  });
}

Deno.test("validate() warns of ports that are discarded, and of a disabled OOM killer", () => {
  const host = { NetworkMode: "host", PortBindings: PORTS, OomKillDisable: true };
  assertEquals(validate(request({ host }), FACTS), [
    "OOM killer is disabled for the container, but no memory limit is set, " +
    "this can result in the system running out of resources.",
    "Published ports are discarded when using host network mode",
  ]);
});

Deno.test("parseCpuList() reads ranges and refuses anything else", () => {
  assertEquals([...parseCpuList("0-2,5")!], [0, 1, 2, 5]);
  assertEquals([...parseCpuList("")!], []);
  assertEquals(parseCpuList("0-"), undefined);
  assertEquals(parseCpuList("1-0"), undefined);
});

Deno.test("parseLogOptions() rotates by default", () => {
  const read = (Config: Record<string, string>) => parseLogOptions({ Type: "json-file", Config });
  assertEquals(read({}), { maxSizeBytes: 20_000_000, maxFiles: 5, compress: false });
  assertEquals(read({ "max-size": "10m", "max-file": "3", compress: "true" }), {
    maxSizeBytes: 10_000_000,
    maxFiles: 3,
    compress: true,
  });
  assertEquals(read({ "max-size": "-1" }).maxSizeBytes, Infinity);
});

const LOGS: [type: string, config: Record<string, string>, error: string][] = [
  ["syslog", {}, "logger: no log driver named 'syslog' is registered"],
  ["json-file", { mode: "x" }, "logger: logging mode not supported: x"],
  [
    "json-file",
    { "max-buffer-size": "1m" },
    "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
  ],
  ["json-file", { "max-file": "0" }, "max-file cannot be less than 1"],
  ["json-file", { "max-size": "x" }, "invalid size: 'x'"],
  [
    "local",
    { compress: "true", "max-file": "1" },
    "compress cannot be true when max-file is less than 2 or max-size is not set",
  ],
];
for (const [Type, Config, error] of LOGS) {
  Deno.test(`checkLogConfig() refuses ${Type} with ${JSON.stringify(Config)}`, () => {
    assertEquals(assertThrows(() => checkLogConfig({ Type, Config })).message, error);
  });
}

Deno.test("parseSecurityOptions() reads every kind, old separator too", () => {
  assertEquals(
    parseSecurityOptions([
      "seccomp=unconfined",
      "apparmor:x",
      "label=type:t",
      "no-new-privileges=false",
      "writable-cgroups=true",
    ]),
    {
      noNewPrivileges: false,
      labels: ["type:t"],
      seccomp: "unconfined",
      apparmor: "x",
      writableCgroups: true,
    },
  );
  assertEquals(parseSecurityOptions(["no-new-privileges"]).noNewPrivileges, true);
});

const BAD_OPTIONS: [word: string, error: string][] = [
  ["foo", 'invalid --security-opt 1: "foo"'],
  ["foo=1", 'invalid --security-opt 2: "foo=1"'],
  ["no-new-privileges=x", 'invalid --security-opt 2: "no-new-privileges=x"'],
];
for (const [word, error] of BAD_OPTIONS) {
  Deno.test(`parseSecurityOptions() refuses ${word}`, () => {
    assertEquals(assertThrows(() => parseSecurityOptions([word])).message, error);
  });
}

Deno.test("randomName() is a name, the same for the same numbers", () => {
  assertEquals(randomName(0, () => 0), randomName(0, () => 0));
  assertMatch(randomName(0, () => 0), /^[a-z]+_[a-z]+$/);
  assertMatch(randomName(1, () => 0.999), /^[a-z]+_[a-z]+9$/);
  checkContainerName(randomName());
});

Deno.test("randomName() has more than 10,000 to choose from", () => {
  const firsts = new Set<string>(), seconds = new Set<string>();
  for (let n = 0; n < 1000; n++) {
    const [first, second] = randomName(0, () => n / 1000).split("_");
    firsts.add(first);
    seconds.add(second);
  }
  assert(firsts.size * seconds.size > 10_000, `${firsts.size} times ${seconds.size}`);
});
