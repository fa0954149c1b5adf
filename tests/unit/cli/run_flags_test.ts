import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { parseRunFlags } from "../../../src/cli/run_flags.ts";
import { type FakeClient, fakeHost } from "./flags/host.ts";

function run(line: string, client: FakeClient = {}) {
  return parseRunFlags("run", line.split(" ").filter((word) => word !== ""), fakeHost(client));
}

function host(line: string) {
  return run(`${line} image`).create.HostConfig;
}

Deno.test("parseRunFlags() ends the flags at the image", () => {
  const { create } = run("-i busybox ls -l --all");
  assertEquals(create.Image, "busybox");
  assertEquals(create.Cmd, ["ls", "-l", "--all"]);
  assertEquals(create.OpenStdin, true);
});

Deno.test("parseRunFlags() attaches stdout and stderr by default, stdin with -i", () => {
  assertEquals(run("x").client.attach, { stdin: false, stdout: true, stderr: true });
  assertEquals(run("-i x").client.attach, { stdin: true, stdout: true, stderr: true });
  assertEquals(run("-i -a stdout x").client.attach, {
    stdin: true,
    stdout: true,
    stderr: false,
  });
  assertEquals(run("-i x").create.StdinOnce, true);
});

Deno.test("parseRunFlags() attaches nothing with -d", () => {
  const { client, create } = run("-d -i x");
  assertEquals(client.attach, { stdin: false, stdout: false, stderr: false });
  assertEquals([create.AttachStdout, create.StdinOnce, create.OpenStdin], [false, false, true]);
});

Deno.test("parseRunFlags() leaves the entrypoint null unless given", () => {
  assertEquals(run("x").create.Entrypoint, null);
  assertEquals(run("--entrypoint sh x -c a").create.Entrypoint, ["sh"]);
  assertEquals(run("--entrypoint= x").create.Entrypoint, [""]);
});

Deno.test("parseRunFlags() puts -e over the file, and the client's proxies behind", () => {
  const { create } = run("--env-file f -e A=2 -e HOME x", {
    env: { HOME: "/home/me" },
    files: { f: "A=1\nB=3" },
    proxies: { httpsProxy: "p" },
  });
  assertEquals(create.Env, [
    "A=1",
    "B=3",
    "A=2",
    "HOME=/home/me",
    "HTTPS_PROXY=p",
    "https_proxy=p",
  ]);
});

Deno.test("parseRunFlags() gives all of the client's environment with --env-host", () => {
  assertEquals(run("--env-host x", { env: { A: "1" } }).create.Env, ["A=1"]);
});

Deno.test("parseRunFlags() exposes what is published", () => {
  const { create } = run("-p 81:80 --expose 90/udp x");
  assertEquals(create.ExposedPorts, { "80/tcp": {}, "90/udp": {} });
  assertEquals(create.HostConfig.PortBindings, { "80/tcp": [{ HostIp: "", HostPort: "81" }] });
});

Deno.test("parseRunFlags() sorts volumes, binds, mounts and tmpfs", () => {
  const { create } = run("-v ./a:/b -v /c --mount src=v,dst=/d --tmpfs /e:size=1k x");
  assertEquals(create.Volumes, { "/c": {} });
  assertEquals(create.HostConfig.Binds, ["/home/me/a:/b"]);
  assertEquals(create.HostConfig.Mounts, [{ Type: "volume", Source: "v", Target: "/d" }]);
  assertEquals(create.HostConfig.Tmpfs, { "/e": "size=1k" });
});

Deno.test("parseRunFlags() writes limits in docker's units", () => {
  const limits = host(
    "-m 1g --memory-swap -1 --cpus 1.5 -c 512 --pids-limit 10 --shm-size 1m --ulimit core=-1",
  );
  assertEquals(limits.Memory, 1 << 30);
  assertEquals(limits.MemorySwap, -1);
  assertEquals(limits.NanoCpus, 1.5e9);
  assertEquals(limits.CpuShares, 512);
  assertEquals(limits.PidsLimit, 10);
  assertEquals(limits.ShmSize, 1 << 20);
  assertEquals(limits.Ulimits, [{ Name: "core", Hard: -1, Soft: -1 }]);
});

Deno.test("parseRunFlags() knows the hidden names of flags", () => {
  const { create } = run("--net n --net-alias a --dns-opt o x");
  assertEquals(create.HostConfig.NetworkMode, "n");
  assertEquals(create.NetworkingConfig.EndpointsConfig.n.Aliases, ["a"]);
  assertEquals(create.HostConfig.DnsOptions, ["o"]);
});

Deno.test("parseRunFlags() has no extension when docker's words say it all", () => {
  assertEquals("Diplodock" in host("--rm --userns host"), false);
});

const OWN: [line: string, want: object][] = [
  ["--tz Europe/Berlin", { Timezone: "Europe/Berlin" }],
  ["--timeout 5", { TimeoutSeconds: 5 }],
  ["--health-on-failure restart", { HealthOnFailure: "restart" }],
  ["--umask 0027", { Umask: 0o27 }],
  ["--unsetenv A --unsetenv B", { UnsetEnv: ["A", "B"] }],
  ["--userns auto:size=10", { UsernsSize: 10 }],
  ["--uidmap 0:1000:1", { UidMaps: [{ ContainerID: 0, HostID: 1000, Size: 1 }] }],
  ["--net-rate 10mbit --net-delay 80ms --net-loss 1%", {
    NetRateBits: 1e7,
    NetDelayMicros: 80_000,
    NetLossPercent: 1,
  }],
  ["--preserve-fds 2 --strict --userland-proxy", {
    PreserveFds: 2,
    UserlandProxy: true,
    Strict: true,
  }],
];
for (const [line, want] of OWN) {
  Deno.test(`parseRunFlags() keeps ${line} in the extension`, () => {
    assertEquals(host(line).Diplodock, want);
  });
}

Deno.test("parseRunFlags() takes no image with --rootfs", () => {
  const { create } = run("--rootfs ./root:O sh -c x");
  assertEquals(create.Image, "");
  assertEquals(create.Cmd, ["sh", "-c", "x"]);
  assertEquals(create.HostConfig.Diplodock, {
    RootfsDir: "/home/me/root",
    RootfsOverlay: true,
  });
});

Deno.test("parseRunFlags() warns of what it cannot do", () => {
  assertEquals(run("--kernel-memory 1g --dns 127.0.0.1 x").client.warnings, [
    "The kernel has no kernel memory limit any more. Limitation discarded.",
    "Localhost DNS (127.0.0.1) may fail in containers.",
  ]);
});

const HELP = "\n\nRun 'diplodock run --help' for more information";
const ERRORS: [line: string, message: string, exitCode: number][] = [
  ["-p 99999:80 x", `diplodock: invalid hostPort: 99999${HELP}`, 125],
  [
    "--rm --restart always x",
    `diplodock: conflicting options: cannot specify both --restart and --rm${HELP}`,
    125,
  ],
  [
    "--pull foo x",
    'diplodock: invalid pull option: \'foo\': must be one of "always", "missing" or ' +
    `"never"${HELP}`,
    125,
  ],
  ["--env-file nosuch x", `diplodock: open nosuch: no such file or directory${HELP}`, 125],
  [
    "--memory-swappiness 101 x",
    `diplodock: invalid value: 101. Valid memory swappiness range is 0-100${HELP}`,
    125,
  ],
  [
    "--log-driver none --log-opt a=b x",
    `diplodock: invalid logging opts for driver none${HELP}`,
    125,
  ],
  [
    "-d -a stdout x",
    "conflicting options: cannot specify both --attach and --detach",
    1,
  ],
  ["-m abc x", `invalid argument "abc" for "-m, --memory" flag: invalid size: 'abc'`, 125],
  ["-e =x x", `invalid argument "=x" for "-e, --env" flag: invalid environment variable: =x`, 125],
  [
    "-a foo x",
    'invalid argument "foo" for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR',
    125,
  ],
  [
    "--blkio-weight 99999 x",
    'invalid argument "99999" for "--blkio-weight" flag: strconv.ParseUint: parsing "99999": ' +
    "value out of range",
    125,
  ],
  ["--nope x", "unknown flag: --nope", 125],
  ["", "diplodock: 'diplodock run' requires at least 1 argument", 1],
];
for (const [line, message, exitCode] of ERRORS) {
  Deno.test(`parseRunFlags() refuses "${line}" with docker's text`, () => {
    const error = assertThrows(() => run(line), UserError);
    assertEquals([error.message, error.exitCode], [message, exitCode]);
  });
}

Deno.test("parseRunFlags() has no -d for create", () => {
  const error = assertThrows(() => parseRunFlags("create", ["-d", "x"], fakeHost()), UserError);
  assertEquals(error.message, "unknown shorthand flag: 'd' in -d");
});
