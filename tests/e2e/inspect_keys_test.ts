/**
 * `inspect` key by key: docker's keys and the kinds of their values, for a container with as much
 * as possible, are in tests/golden/inspect_keys.txt. UPDATE=1, with docker, asks it again.
 */
import { assertEquals } from "@std/assert";
import { Engine, waitFor } from "../lib/engine.ts";
import { assertGolden } from "../lib/golden.ts";
import { runProgram } from "../lib/oci_box.ts";
import { startDocker } from "../lib/peer_engines.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";

enterTestNetwork();

const FLAGS = [
  ...["--name", "all", "-v", "/bin/busybox:/x:ro", "-v", "named:/y", "-v", "/anonymous"],
  ...["--tmpfs", "/t", "--mount", "type=tmpfs,dst=/t2,tmpfs-size=1m", "-l", "a=b", "-e", "A=b"],
  ...["--mount", "type=bind,src=/tmp,dst=/t3", "--ulimit", "nproc=100:200"],
  ...["--device", "/dev/null:/dev/z", "--health-cmd", "true", "--health-interval", "1s"],
  ...["-m", "100m", "--restart", "on-failure:3", "--log-opt", "max-size=1m", "--init"],
  ...["--add-host", "a:1.2.3.4", "--stop-signal", "HUP", "--stop-timeout", "3"],
  ...["--expose", "90", "-p", "127.0.0.1::80", "--cap-add", "NET_ADMIN", "--cap-drop", "MKNOD"],
  ...["--security-opt", "no-new-privileges", "--sysctl", "net.ipv4.ip_forward=1", "--cpus", "1"],
  ...["--pids-limit", "100", "--dns", "1.2.3.4", "--dns-search", "x", "--dns-option", "ndots:1"],
  ...["--group-add", "5", "-u", "0", "-w", "/tmp", "-h", "hh", "--shm-size", "1m", "--read-only"],
  ...["--oom-score-adj", "5", "--entrypoint", "sleep", "--device-cgroup-rule", "c 1:3 rwm"],
];

/** Keys whose values are of people's choosing: what is below is of the same kind. */
const MAPS = /\.(Labels|Networks|Ports|PortBindings|ExposedPorts|Tmpfs|Sysctls|Data|Config)$/;

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "list" : typeof value === "object" ? "object" : typeof value;
}

/** `path: kind` for every key; of a list the first element. */
function keys(value: unknown, path = ""): string[] {
  const lines = path === "" ? [] : [`${path}: ${kindOf(value)}`];
  if (Array.isArray(value)) {
    return value.length > 0 ? [...lines, ...keys(value[0], `${path}[]`)] : lines;
  }
  if (typeof value !== "object" || value === null) return lines;
  for (const [key, inner] of Object.entries(value)) {
    const isFree = MAPS.test(path) && path !== ".Config";
    lines.push(...keys(inner, isFree ? `${path}.*` : `${path}.${key}`));
  }
  return [...new Set(lines)];
}

/**
 * Not compared: what docker 28 has no more, or has and 20.10 not; what only we have; what hangs on
 * docker's storage driver, or on the version of cgroups.
 */
const OTHERS = new RegExp(
  "KernelMemory|\\.DNSNames|\\.GwPriority|^\\.CreateCommand|^\\.GraphDriver\\.Data|OomKillDisable",
);

function compared(value: unknown): string[] {
  return keys(value).filter((line) => !OTHERS.test(line)).sort();
}

type Ask = (...args: string[]) => Promise<string>;

async function ask(ok: Ask): Promise<unknown> {
  await ok("run", "-d", ...FLAGS, "bb", "1000");
  await waitFor(async () => await ok("inspect", "-f", "{{len .State.Health.Log}}", "all") !== "0");
  const [value] = JSON.parse(await ok("inspect", "-s", "all"));
  // One mount of each kind, in one order.
  const byTarget = (a: { Destination: string }, b: { Destination: string }) =>
    a.Destination < b.Destination ? -1 : 1;
  value.Mounts.sort(byTarget);
  for (const mount of value.Mounts) value[`Mount ${mount.Destination}`] = mount;
  await ok("rm", "-f", "-v", "all");
  return value;
}

const PATH = "inspect_keys.txt";

Deno.test({
  name: "inspect has docker's keys, with values of the same kind",
  ...skipUnless(isRoot(), "needs root"),
  fn: async () => {
    await using engine = new Engine();
    const root = engine.rootfs("bb", (path) => {
      for (const name of ["etc", "tmp"]) Deno.mkdirSync(`${path}/${name}`);
    });
    const tar = engine.path("bb.tar");
    assertEquals((await runProgram(["tar", "-C", root, "-cf", tar, "."])).code, 0);
    if (Deno.env.get("UPDATE") === "1") {
      await using docker = await startDocker("runc");
      await docker.ok("import", tar, "bb");
      const value = await ask((...args) => docker.ok(...args));
      assertGolden(
        PATH,
        compared(value).join("\n") + "\n",
      );
    }
    await engine.ok("import", tar, "bb");
    const value = await ask((...args) => engine.ok(...args));
    const text = Deno.readTextFileSync(new URL(`../golden/${PATH}`, import.meta.url));
    assertEquals(compared(value), text.trimEnd().split("\n"));
  },
});
