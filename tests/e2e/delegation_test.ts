/**
 * An ordinary user's containers in the part of the cgroup tree that is delegated to him, as systemd
 * does it: the service's cgroup is his, its controllers are switched on by who delegates.
 */
import { assert, assertEquals } from "@std/assert";
import { openCgroup, removeCgroup } from "../../src/runtime/cgroup.ts";
import { cgroupLayout } from "../../src/runtime/cgroup_layout.ts";
import { subtree } from "../../src/runtime/cgroup_files.ts";
import { Engine, PROGRAM, type Result } from "../lib/engine.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const UID = 1000;
const MIB = 1 << 20;
const layout = cgroupLayout();
const why = layout.version !== 2
  ? "cgroup v1 cannot be delegated to an ordinary user"
  : !isRoot()
  ? "needs root, who delegates"
  : hasProgram("setpriv")
  ? undefined
  : "there is no setpriv";

const TOP = `/diplodock-e2e-${Deno.pid}.slice`;
const SERVICE = `${TOP}/user@${UID}.service`;

/** What systemd does for `Delegate=yes` of user@.service. */
function delegate(mount: string): void {
  for (const path of ["", TOP, SERVICE]) {
    if (path !== "") Deno.mkdirSync(mount + path);
    Deno.writeTextFileSync(`${mount}${path}/cgroup.subtree_control`, "+cpu +memory +pids");
  }
  Deno.mkdirSync(`${mount}${SERVICE}/app.scope`);
  for (const path of [SERVICE, `${SERVICE}/app.scope`]) {
    for (const file of ["", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"]) {
      Deno.chownSync(mount + path + file, UID, UID);
    }
  }
}

/** Runs a command as the user, from within his session's cgroup. */
async function asUser(engine: Engine, session: string, ...args: string[]): Promise<Result> {
  const script = 'echo $$ > "$0/cgroup.procs" && exec setpriv --reuid 1000 --regid 1000 ' +
    '--clear-groups "$@"';
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", script, session, PROGRAM, ...args],
    env: { ...engine.env, HOME: engine.top, XDG_RUNTIME_DIR: engine.top },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test({
  name: "an ordinary user's limits hold in what is delegated to him, and nothing above changes",
  ...skipUnless(why === undefined, `delegation: ${why}`),
  async fn() {
    const mount = layout.hierarchies[0].mountPoint;
    await using engine = new Engine();
    Deno.chownSync(engine.top, UID, UID);
    try {
      delegate(mount);
      const above = () =>
        ["", TOP].flatMap((path) => [
          Deno.readTextFileSync(`${mount}${path}/cgroup.subtree_control`),
          Array.from(Deno.readDirSync(mount + path), ({ name }) => name).sort().join(" "),
        ]);
      const before = above();
      const ok = async (...args: string[]) => {
        const { code, stdout, stderr } = await asUser(
          engine,
          `${mount}${SERVICE}/app.scope`,
          ...args,
        );
        assertEquals(code, 0, `${args.join(" ")}: ${stderr}`);
        return stdout.trim();
      };
      const id = await ok(
        ...[
          "run",
          "-d",
          "--name",
          "mine",
          "--network",
          "none",
          "-m",
          "64m",
          "--memory-swap",
          "64m",
        ],
        ...["--cpus", ".5", "--pids-limit", "9", "host", "sleep", "600"],
      );
      const place = `${mount}${SERVICE}/diplodock/${id}`;
      const control = (file: string) => Deno.readTextFileSync(`${place}/${file}`).trim();
      assertEquals(
        ["memory.max", "memory.swap.max", "cpu.max", "pids.max"].map(control),
        [`${64 * MIB}`, "0", "50000 100000", "9"],
      );
      assert(control("cgroup.procs") !== "", "nobody is in the cgroup");
      await ok("update", "-m", "32m", "--memory-swap", "32m", "mine");
      assertEquals(control("memory.max"), `${32 * MIB}`);
      await ok("pause", "mine");
      assertEquals(control("cgroup.freeze"), "1");
      await ok("unpause", "mine");
      const shown = await ok("stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", "mine");
      assert(/ \/ 32MiB 1$/.test(shown), shown);
      assertEquals(above(), before);
      await ok("rm", "-f", "mine");
      assertEquals(subtree(place).length, 0);
    } finally {
      await removeCgroup(openCgroup(TOP));
    }
  },
});
