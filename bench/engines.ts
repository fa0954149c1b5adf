/** The engines the benchmark compares: started, filled with the same image, stopped again. */
import { PROGRAM } from "../build/paths.ts";
import { hasProgram } from "../tests/lib/skip.ts";

/** Who is measured. `runc` has no images: it runs a bundle made ready; `tar` only extracts. */
export type EngineName = "diplodock" | "docker" | "podman" | "runc" | "tar";

/** One engine, ready to be called: `[...argv, "run", …]` with `env`. */
export interface Engine {
  readonly name: EngineName;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What `version` says, for the report. */
  readonly version: string;
  /** Ends what was started for it. */
  stop(): Promise<void>;
}

const DECODER = new TextDecoder();

/** Runs a command to its end; its standard output. Throws with its standard error if it fails. */
export async function output(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const [program, ...args] = argv;
  const command = new Deno.Command(program, { args, env, stdin: "null" });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(`Cannot run "${argv.join(" ")}": ${DECODER.decode(stderr).trim()}`);
  return DECODER.decode(stdout).trim();
}

async function firstLine(argv: readonly string[]): Promise<string> {
  return (await output(argv)).split("\n", 1)[0];
}

function nothing(): Promise<void> {
  return Promise.resolve();
}

async function diplodock(work: string): Promise<Engine> {
  const program = Deno.env.get("DIPLODOCK_BIN") ?? await Deno.realPath(PROGRAM);
  const env = { DIPLODOCK_ROOT: `${work}/diplodock`, DIPLODOCK_RUN: `${work}/diplodock-run` };
  const version = await firstLine([program, "--version"]);
  // Bridges and rules outlive a store that is removed.
  const stop = async () => void await output([program, "system", "reset", "--force"], env);
  return { name: "diplodock", argv: [program], env, version, stop };
}

/** Starts a dockerd of our own: its socket, its data, its containerd are all below `work`. */
async function docker(work: string): Promise<Engine> {
  const socket = `unix://${work}/docker.sock`;
  const log = await Deno.open(`${work}/dockerd.log`, { write: true, create: true });
  log.close();
  const places = ["--data-root", `${work}/docker`, "--exec-root", `${work}/docker-exec`];
  const args = ["-H", socket, ...places, "-p", `${work}/dockerd.pid`];
  const daemon = new Deno.Command("/bin/sh", {
    args: ["-c", 'exec dockerd "$@" > "$0" 2>&1', `${work}/dockerd.log`, ...args],
    stdin: "null",
  }).spawn();
  const argv = ["docker", "-H", socket];
  const stop = async () => {
    daemon.kill("SIGTERM");
    await daemon.status;
  };
  for (let tries = 0; tries < 300; tries++) {
    try {
      const version = await output([...argv, "version", "-f", "{{.Server.Version}}"]);
      return { name: "docker", argv, env: {}, version: `dockerd ${version}`, stop };
    } catch {
      await new Promise((done) => setTimeout(done, 100));
    }
  }
  await stop();
  throw new Error(`Cannot start dockerd: see ${work}/dockerd.log`);
}

/** podman with runc, its store and its networks below `work`. */
async function podman(work: string): Promise<Engine> {
  // Where the bounding set lacks CAP_SYS_RESOURCE podman's raised limits make every start fail.
  const limits = 'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]';
  await Deno.writeTextFile(`${work}/containers.conf`, `[containers]\n${limits}\n`);
  const argv = [
    ...["podman", "--root", `${work}/podman`, "--runroot", `${work}/podman-run`],
    ...["--tmpdir", `${work}/podman-tmp`, "--network-config-dir", `${work}/podman-net`],
    ...["--cgroup-manager", "cgroupfs", "--events-backend", "file", "--runtime", "runc"],
  ];
  const env = { CONTAINERS_CONF: `${work}/containers.conf` };
  const version = await firstLine(["podman", "--version"]);
  return { name: "podman", argv, env, version, stop: nothing };
}

async function runc(work: string): Promise<Engine> {
  const version = await firstLine(["runc", "--version"]);
  return {
    name: "runc",
    argv: ["runc", "--root", `${work}/runc`],
    env: {},
    version,
    stop: nothing,
  };
}

async function tar(): Promise<Engine> {
  const version = await firstLine(["tar", "--version"]);
  return { name: "tar", argv: ["tar"], env: {}, version, stop: nothing };
}

const MAKERS: Record<EngineName, { needs: string[]; make(work: string): Promise<Engine> }> = {
  diplodock: { needs: [], make: diplodock },
  docker: { needs: ["docker", "dockerd", "containerd"], make: docker },
  podman: { needs: ["podman", "runc", "conmon"], make: podman },
  runc: { needs: ["runc"], make: runc },
  tar: { needs: ["tar"], make: tar },
};

/** How to get the peers on Debian; the report ends with it when one is missing. */
export const INSTALL =
  "apt-get install docker.io containerd podman conmon runc netavark iptables docker-registry";

/** Starts those of `names` that are installed; `missing` says why the others are not there. */
export async function startEngines(
  names: readonly EngineName[],
  work: string,
): Promise<{ engines: Engine[]; missing: string[] }> {
  const engines: Engine[] = [];
  const missing: string[] = [];
  for (const name of names) {
    const { needs, make } = MAKERS[name];
    const lacking = needs.filter((program) => !hasProgram(program));
    if (lacking.length > 0) {
      missing.push(`${name}: not installed (${lacking.join(", ")})`);
      continue;
    }
    try {
      engines.push(await make(work));
    } catch (error) {
      missing.push(`${name}: ${(error as Error).message}`);
    }
  }
  return { engines, missing };
}
