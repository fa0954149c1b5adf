/**
 * Containers where systemd owns the tree of cgroup v2: what it does to its own units is done, and
 * they live on with their limits. Run by systemd_test.ts in a machine that is ours alone: units are
 * written.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { cgroupLayout } from "../../src/runtime/cgroup_layout.ts";
import { Engine, PROGRAM, waitFor } from "../lib/engine.ts";
import { runProgram } from "../lib/oci_box.ts";

const MIB = 1 << 20;
const UID = 1000;
/** Without KVM a command takes seconds. */
const SLOW_MS = 60_000;
const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

async function succeed(argv: string[], options: Deno.CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await runProgram(argv, options);
  assertEquals(code, 0, `${argv.join(" ")}: ${stderr}`);
  return stdout.trim();
}

const systemctl = (...args: string[]) => succeed(["systemctl", ...args]);

/** Writes a unit and lets systemd read it. */
async function unit(name: string, text: string): Promise<void> {
  Deno.writeTextFileSync(`/etc/systemd/system/${name}`, text);
  await systemctl("daemon-reload");
}

/** The settings of a unit that find this file's engine. */
const environment = ({ env }: Engine) =>
  Object.entries(env).map(([name, value]) => `Environment=${name}=${value}\n`).join("");

const LIMITS = ["-m", "64m", "--memory-swap", "64m", "--cpus", ".5", "--pids-limit", "9"];
const SET = [`${64 * MIB}`, "0", "50000 100000", "9"];

function directoryOf(path: string): string {
  return cgroupLayout().hierarchies[0].mountPoint + path;
}

/** What the cgroup `path` says of `LIMITS`, which must have a process. */
function limitsAt(path: string): string[] {
  const read = (file: string) => Deno.readTextFileSync(`${directoryOf(path)}/${file}`).trim();
  assert(read("cgroup.procs") !== "", `nobody is in ${path}`);
  return ["memory.max", "memory.swap.max", "cpu.max", "pids.max"].map(read);
}

/** All that a day brings: units that come and go with other controllers, systemd started anew. */
async function disturb(): Promise<void> {
  await unit(
    "other.service",
    "[Service]\nType=oneshot\nRemainAfterExit=yes\nCPUWeight=50\nIOWeight=50\nExecStart=/bin/true\n",
  );
  await systemctl("start", "other");
  await systemctl("set-property", "--runtime", "other", "MemoryMax=100M", "CPUQuota=10%");
  await systemctl("daemon-reload");
  await systemctl("stop", "other");
  await systemctl("daemon-reexec");
  await systemctl("daemon-reload");
}

Deno.test("root's containers keep life and limits whatever systemd does to its units", async () => {
  const id = await engine.background(...LIMITS, "--cpuset-cpus", "0", "host", "sleep", "600");
  const path = `/diplodock/${id}`;
  assertEquals(limitsAt(path), SET);
  // What systemd writes when none of its units needs a controller any more.
  const switches = directoryOf("/cgroup.subtree_control");
  const busy = assertThrows(() => Deno.writeTextFileSync(switches, "-cpu"));
  assertEquals((busy as { code?: string }).code, "EBUSY");
  await disturb();
  assertEquals(limitsAt(path), SET);
  assertEquals(Deno.readTextFileSync(`${directoryOf(path)}/cpuset.cpus`), "0\n");
  await engine.ok("update", "--pids-limit", "8", id);
  assertEquals(limitsAt(path)[3], "8");
  await engine.ok("rm", "-f", id);
  assertEquals(left(), "monitors");
});

/** What is left of containers in the tree. */
function left(): string {
  return [...Deno.readDirSync(directoryOf("/diplodock"))].filter((entry) => entry.isDirectory)
    .map(({ name }) => name).join(" ");
}

Deno.test("the unit of `system unit` starts containers; they outlive it", async () => {
  await unit("diplodock.service", await engine.ok("system", "unit"));
  const id = await engine.background(...LIMITS, "--restart", "always", "host", "sleep", "600");
  const state = (field: string) => engine.inspect(id, `{{.State.${field}}}`);
  const first = Number(await state("Pid"));
  // As the power goes: first who would restart it.
  const [, monitor] = /^PPid:\t(\d+)$/m.exec(Deno.readTextFileSync(`/proc/${first}/status`))!;
  Deno.kill(Number(monitor), "SIGKILL");
  Deno.kill(first, "SIGKILL");
  await waitFor(async () => await state("Running") === "false", SLOW_MS);
  for (const verb of ["start", "stop", "restart"]) {
    await systemctl(verb, "diplodock");
    assertEquals(await state("Running"), "true", verb);
    assertEquals(limitsAt(`/diplodock/${id}`), SET);
  }
  await systemctl("stop", "diplodock");
  assert(Number(await state("Pid")) !== first);
  await engine.ok("rm", "-f", id);
});

Deno.test("containers in a delegated part live, and end, with their unit", async () => {
  // The rule of v2: where cgroups with controllers are, no process is.
  const script = `own=$(sed 's/^0:://' /proc/self/cgroup)
mkdir /sys/fs/cgroup$own/main
echo 0 > /sys/fs/cgroup$own/main/cgroup.procs
exec "$0" run --name inner --network none --cgroup-parent $own/containers ${LIMITS.join(" ")} \\
  host sh -c 'trap "exit 0" TERM; sleep 600 & wait'
`;
  const file = engine.file("inner.sh", script);
  await unit(
    "inner.service",
    `[Service]\nDelegate=yes\n${environment(engine)}` +
      `ExecStart=/bin/sh -c '. ${file}' ${Deno.realPathSync(PROGRAM)}\n`,
  );
  await systemctl("start", "inner");
  const state = async () => {
    const format = "{{.State.Running}} {{.Id}}";
    const { stdout } = await engine.dd("container", "inspect", "-f", format, "inner");
    return stdout.trim();
  };
  await waitFor(async () => (await state()).startsWith("true "), SLOW_MS);
  const [, id] = (await state()).split(" ");
  const path = `/system.slice/inner.service/containers/${id}`;
  assertEquals(limitsAt(path), SET);
  await disturb();
  assertEquals(limitsAt(path), SET);
  await systemctl("stop", "inner");
  await waitFor(async () => (await state()).startsWith("false "), SLOW_MS);
  await engine.ok("rm", "inner");
  await waitFor(() => !isThere(directoryOf("/system.slice/inner.service")), SLOW_MS);
});

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** The manager of user 1000 as Debian has it, but for the session of PAM, and a unit of his. */
async function writeUserUnits(own: Engine, runtime: string): Promise<void> {
  await unit(
    `user@${UID}.service`,
    `[Service]\nUser=${UID}\nSlice=user-${UID}.slice\nDelegate=pids memory cpu\nType=notify\n` +
      `Environment=XDG_RUNTIME_DIR=${runtime} HOME=${own.top}\n` +
      "ExecStart=/lib/systemd/systemd --user\nKillSignal=SIGKILL\n",
  );
  const words = ["run", "-d", "--name", "mine", "--network", "none", ...LIMITS];
  const units = {
    "default.target": "[Unit]\nDefaultDependencies=no\n",
    "mine.service": `[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\n${environment(own)}` +
      `ExecStart=${Deno.realPathSync(PROGRAM)} ${words.join(" ")} host sleep 600\n`,
  };
  Deno.mkdirSync("/etc/systemd/user", { recursive: true });
  for (const [name, text] of Object.entries(units)) {
    Deno.writeTextFileSync(`/etc/systemd/user/${name}`, text);
  }
}

Deno.test("an ordinary user's containers are in what is delegated to him, and all above stays", async () => {
  await using own = new Engine();
  const runtime = `/run/user/${UID}`;
  for (const path of [own.top, runtime]) {
    Deno.mkdirSync(path, { recursive: true });
    Deno.chownSync(path, UID, UID);
  }
  await writeUserUnits(own, runtime);
  await systemctl("start", `user@${UID}`);
  const asUser = (...argv: string[]) =>
    succeed(
      ["setpriv", "--reuid", `${UID}`, "--regid", `${UID}`, "--clear-groups", ...argv],
      { env: { ...own.env, XDG_RUNTIME_DIR: runtime, HOME: own.top } },
    );
  const ok = (...args: string[]) => asUser(Deno.realPathSync(PROGRAM), ...args);
  const slice = `/user.slice/user-${UID}.slice`;
  const above = () =>
    ["", "/user.slice", slice].flatMap((path) => [
      Deno.readTextFileSync(`${directoryOf(path)}/cgroup.subtree_control`),
      Array.from(Deno.readDirSync(directoryOf(path)), ({ name }) => name).sort().join(" "),
    ]);
  const before = above();
  await asUser("systemctl", "--user", "start", "mine");
  const path = `${slice}/user@${UID}.service/diplodock/${await ok(
    "inspect",
    "-f",
    "{{.Id}}",
    "mine",
  )}`;
  assertEquals([limitsAt(path), above()], [SET, before]);
  await disturb();
  await asUser("systemctl", "--user", "daemon-reload");
  await asUser("systemctl", "--user", "daemon-reexec");
  assertEquals(limitsAt(path), SET);
  await ok("update", "-m", "32m", "--memory-swap", "32m", "mine");
  assertEquals(limitsAt(path)[0], `${32 * MIB}`);
  const frozen = () => Deno.readTextFileSync(`${directoryOf(path)}/cgroup.freeze`);
  await ok("pause", "mine");
  assertEquals(frozen(), "1\n");
  await ok("unpause", "mine");
  assertEquals(frozen(), "0\n");
  const shown = await ok("stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", "mine");
  assert(/ \/ 32MiB 1$/.test(shown), shown);
  await ok("rm", "-f", "mine");
  assert(!isThere(directoryOf(path)));
  await systemctl("stop", `user@${UID}`);
});

Deno.test("a container outlives the unit whose only work was to start it", async () => {
  const folder = engine.path("go");
  Deno.mkdirSync(folder);
  const script = engine.file("wait.sh", "while [ ! -e /go/on ]; do sleep .1; done; exit 7\n");
  const words = ["run", "-d", "--name", "long", "--network", "none", ...LIMITS];
  const volumes = ["-v", `${folder}:/go`, "-v", `${script}:/wait.sh`];
  const command = [Deno.realPathSync(PROGRAM), ...words, ...volumes, "host", "sh", "/wait.sh"];
  await unit(
    "short.service",
    `[Service]\nType=oneshot\n${environment(engine)}ExecStart=${command.join(" ")}\n`,
  );
  await systemctl("start", "short");
  await waitFor(() => !isThere(directoryOf("/system.slice/short.service")), SLOW_MS);
  const state = () => engine.inspect("long", "{{.State.Status}} {{.State.ExitCode}}");
  assertEquals(await state(), "running 0");
  Deno.writeTextFileSync(`${folder}/on`, "");
  await waitFor(async () => await state() === "exited 7", SLOW_MS);
  await engine.ok("rm", "long");
});
