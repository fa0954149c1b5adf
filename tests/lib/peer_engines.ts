/**
 * The engines people already have, each with stores, sockets and cgroups of its own below one
 * temporary directory. To be used in a network namespace of the test's own: they change rules.
 */
import { removeCgroup } from "../../src/runtime/cgroup.ts";
import { openCgroup } from "../../src/runtime/cgroup_place.ts";
import { pidsBelow } from "../../src/runtime/cgroup_processes.ts";
import { type Result, waitFor } from "./engine.ts";
import { OrdinaryUser } from "./ordinary_user.ts";
import { busyboxRoot, linkRuntime, read, runProgram, type RuntimeName } from "./oci_box.ts";

/** What the three have in common. */
class PeerPlace implements AsyncDisposable {
  readonly top: string;
  readonly runtime: string;
  readonly rootfs: string;
  /** Where the containers' cgroups are. */
  readonly cgroup: string;

  constructor(name: string) {
    this.top = Deno.makeTempDirSync({ prefix: `diplodock-${name}-` });
    this.runtime = linkRuntime(this.top);
    this.rootfs = `${this.top}/rootfs`;
    this.cgroup = `/diplodock-peers-${Deno.pid}-${name}`;
    busyboxRoot(this.rootfs);
  }

  /** The root file system as an archive, for `import`. */
  async archive(): Promise<string> {
    const path = `${this.top}/rootfs.tar`;
    const { code, stderr } = await runProgram(["tar", "-C", this.rootfs, "-cf", path, "."]);
    if (code !== 0) throw new Error(stderr);
    return path;
  }

  file(name: string, text: string): string {
    const path = `${this.top}/${name}`;
    Deno.writeTextFileSync(path, text);
    return path;
  }

  /** Processes that were started with a path of this place: shims, daemons. */
  processes(): number[] {
    return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) =>
      pid > 0 && pid !== Deno.pid && read(`/proc/${pid}/cmdline`).includes(this.top)
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await waitFor(() => this.processes().length === 0, 5000).catch(() => {});
    for (const pid of this.processes()) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // It has just ended.
      }
    }
    await waitFor(() => this.processes().length === 0);
    const cgroup = openCgroup(this.cgroup);
    if (cgroup.directories.some(({ directory }) => pidsBelow(directory).length >= 0)) {
      await removeCgroup(cgroup);
    }
    const mounts = Deno.readTextFileSync("/proc/self/mountinfo").split("\n").reverse();
    for (const line of mounts.filter((text) => text.includes(` ${this.top}/`))) {
      await runProgram(["umount", "-l", line.split(" ")[4]]);
    }
    Deno.removeSync(this.top, { recursive: true });
  }
}

/** One engine that is ready. */
export class Peer<Place extends AsyncDisposable = PeerPlace> implements AsyncDisposable {
  constructor(
    readonly place: Place,
    readonly argv: readonly string[],
    readonly env: Record<string, string>,
    readonly stop: () => Promise<void>,
  ) {}

  async run(...args: string[]): Promise<Result> {
    return await runProgram([...this.argv, ...args], { env: this.env });
  }

  /** A command that must succeed; its standard output without the last line break. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    if (code !== 0) throw new Error(`${args.join(" ")}: exit code ${code}\n${stdout}${stderr}`);
    return stdout.replace(/\n$/, "");
  }

  /** A command whose streams are a terminal; what was shown. */
  async shown(...args: string[]): Promise<string> {
    const line = [...this.argv, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
    const { stdout } = await runProgram(["script", "-qec", line.join(" "), "/dev/null"], {
      env: this.env,
    });
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop();
    } finally {
      await this.place[Symbol.asyncDispose]();
    }
  }
}

/** podman's containers.conf: `runtime` is the one it uses. */
function podmanConf(top: string, runtime: string): string {
  // Its own limits are above what a machine with a small bounding set may set.
  return `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "peer"
events_logger = "none"
cgroup_manager = "cgroupfs"
network_config_dir = "${top}/net"
[engine.runtimes]
peer = ["${runtime}"]
`;
}

function podmanArgv(top: string): string[] {
  return [
    ...["podman", "--root", `${top}/store`, "--runroot", `${top}/run`],
    ...["--tmpdir", `${top}/tmp`, "--storage-driver", "vfs"],
    ...["--network-config-dir", `${top}/net`],
  ];
}

/** podman of an ordinary user, with his copy of our runtime. */
export async function startRootlessPodman(): Promise<Peer<OrdinaryUser>> {
  const user = await OrdinaryUser.make();
  const { top, home } = user;
  const rootfs = `${top}/rootfs`, archive = `${rootfs}.tar`, runtime = `${top}/diplodock-oci`;
  const conf = `${top}/containers.conf`;
  Deno.symlinkSync("diplodock", runtime);
  Deno.writeTextFileSync(conf, podmanConf(home, runtime));
  busyboxRoot(rootfs);
  await runProgram(["tar", "-C", rootfs, "-cf", archive, "."]);
  // podman's own command that cleans up refuses a --runroot of more than 50 characters.
  const argv = user.argv(podmanArgv(home), { CONTAINERS_CONF: conf });
  const peer = new Peer(user, argv, {}, async () => {
    await runProgram([...argv, "rm", "-fa", "-t", "0"]);
  });
  await peer.ok("import", archive, "small");
  return peer;
}

/** podman, with our runtime as the only one it knows. */
export async function startPodman(): Promise<Peer> {
  const place = new PeerPlace("podman");
  const conf = place.file("containers.conf", podmanConf(place.top, place.runtime));
  const argv = podmanArgv(place.top);
  const env = { CONTAINERS_CONF: conf };
  const peer = new Peer(place, argv, env, async () => {
    await runProgram([...argv, "pod", "rm", "-fa", "-t", "0"], { env });
    await runProgram([...argv, "rm", "-fa", "-t", "0"], { env });
  });
  await peer.ok("import", await place.archive(), "small");
  return peer;
}

/** A daemon of ours: started, waited for, ended by SIGTERM. */
async function daemon(
  place: PeerPlace,
  argv: readonly string[],
  ready: readonly string[],
): Promise<() => Promise<void>> {
  const log = `${place.top}/daemon.log`;
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", 'log=$0; exec "$@" > "$log" 2>&1', log, ...argv],
    stdin: "null",
  }).spawn();
  const stop = async () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // It has ended by itself.
    }
    const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
    await child.status;
    clearTimeout(timer);
  };
  try {
    await waitFor(async () => (await runProgram(ready)).code === 0, 120_000);
  } catch {
    await stop();
    const text = read(log).split("\n").slice(-8).join("\n");
    await place[Symbol.asyncDispose]();
    throw new Error(`Cannot start ${argv[0]}:\n${text}`);
  }
  return stop;
}

/** dockerd, with our runtime in runc's place unless it is told to use runc. */
export async function startDocker(runtime: RuntimeName = "diplodock"): Promise<Peer> {
  const place = new PeerPlace("docker");
  const config = place.file(
    "daemon.json",
    JSON.stringify({
      runtimes: { diplodock: { path: place.runtime } },
      "default-runtime": runtime,
      "data-root": `${place.top}/data`,
      "exec-root": `${place.top}/exec`,
      pidfile: `${place.top}/docker.pid`,
      hosts: [`unix://${place.top}/docker.sock`],
      "storage-driver": "vfs",
      "exec-opts": ["native.cgroupdriver=cgroupfs"],
      "cgroup-parent": place.cgroup,
      bip: "10.212.77.1/24",
    }),
  );
  const argv = ["docker", "-H", `unix://${place.top}/docker.sock`];
  const stop = await daemon(place, ["dockerd", "--config-file", config], [...argv, "version"]);
  const env = { DOCKER_CONFIG: `${place.top}/client` };
  const peer = new Peer(place, argv, env, async () => {
    const { stdout } = await runProgram([...argv, "ps", "-aq"], { env });
    const ids = stdout.split("\n").filter(Boolean);
    if (ids.length > 0) await runProgram([...argv, "rm", "-f", ...ids], { env });
    await stop();
  });
  await peer.ok("import", await place.archive(), "small");
  return peer;
}

/** containerd, whose shim is told the path of our runtime. */
export async function startContainerd(): Promise<Peer> {
  const place = new PeerPlace("containerd");
  const socket = `${place.top}/containerd.sock`;
  const config = place.file(
    "config.toml",
    `version = 2
root = "${place.top}/root"
state = "${place.top}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "${socket}"
[ttrpc]
  address = "${socket}.ttrpc"
`,
  );
  const argv = ["ctr", "--address", socket];
  const stop = await daemon(place, ["containerd", "--config", config], [...argv, "version"]);
  return new Peer(place, argv, {}, async () => {
    const { stdout } = await runProgram([...argv, "task", "ls", "-q"]);
    for (const id of stdout.split("\n").filter(Boolean)) {
      await runProgram([...argv, "task", "rm", "-f", id]);
    }
    await stop();
  });
}
