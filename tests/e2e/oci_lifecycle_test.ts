/**
 * The life of a container by the OCI commands. Every test runs with ours and, where it is there,
 * with runc, from which its expectations come.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { waitFor } from "../lib/engine.ts";
import { type OciBox, ociTest as test, read } from "../lib/oci_box.ts";

/** Kills the container and waits for its end. */
async function end(box: OciBox, id: string): Promise<void> {
  await box.ok("kill", id, "KILL");
  await box.untilStatus(id, "stopped");
}

test("create, start, kill, delete change the state as the specification has it", async (box) => {
  const id = box.id();
  const bundle = box.command(["sleep", "1000"], (spec) => spec.annotations = { color: "red" });
  await box.detached(["create", "--bundle", bundle, id]);
  const created = await box.state(id);
  assertEquals(created.status, "created");
  assertEquals(created.bundle, bundle);
  assertEquals(created.rootfs, box.rootfs);
  assertEquals(created.annotations, { color: "red" });
  assertMatch(String(created.created), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  await box.ok("start", id);
  assertEquals((await box.state(id)).status, "running");
  await end(box, id);
  assertEquals((await box.state(id)).pid, 0);
  await box.ok("delete", id);
  assertEquals(await box.ok("list", "-q"), "");
});

test("create leaves the process in its namespaces before its execve", async (box) => {
  const id = box.id();
  const bundle = box.command(["/bin/sh", "-c", "echo ran > /mark; exec sleep 1000"]);
  await box.detached(["create", "--bundle", bundle, id]);
  const { pid } = await box.state(id) as { pid: number };
  assert(Deno.readLinkSync(`/proc/${pid}/ns/pid`) !== Deno.readLinkSync("/proc/self/ns/pid"));
  assert(!Deno.readLinkSync(`/proc/${pid}/exe`).endsWith("busybox"));
  assertEquals(read(`${box.rootfs}/mark`), "");
  await box.ok("start", id);
  await waitFor(() => read(`${box.rootfs}/mark`) === "ran\n");
  assert(Deno.readLinkSync(`/proc/${pid}/exe`).endsWith("busybox"));
});

test("a container that was created can be killed and deleted", async (box) => {
  const first = box.id(), second = box.id();
  await box.detached(["create", "--bundle", box.command(["true"]), first]);
  await end(box, first);
  await box.ok("delete", first);
  await box.detached(["create", "--bundle", box.command(["true"]), second]);
  await box.ok("delete", second);
  assertEquals(await box.ok("list", "-q"), "");
});

test("run passes output and exit code on, and deletes", async (box) => {
  const { code, stdout } = await box.run(["sh", "-c", "echo hello; exit 7"]);
  assertEquals([code, stdout], [7, "hello\n"]);
  assertEquals(await box.ok("list", "-q"), "");
});

test("exec runs a process inside, with the options' environment, directory and user", async (box) => {
  const id = await box.sleeping();
  const flags = ["--cwd", "/bin", "-e", "COLOR=red", "--user", "5:6", "-g", "7"];
  const script = "pwd; echo $COLOR; id -u; id -g; id -G; ps | grep -c 'sleep 1000'";
  const output = await box.ok("exec", ...flags, id, "sh", "-c", script);
  assertEquals(output.split("\n").slice(0, 5), ["/bin", "red", "5", "6", "6 7"]);
  assertEquals((await box.oci("exec", id, "sh", "-c", "exit 9")).code, 9);
});

test("exec takes its process from a file, writes its number, and detaches", async (box) => {
  const id = await box.sleeping();
  const file = `${box.top}/process.json`, pidFile = `${box.top}/exec.pid`;
  const process = {
    user: { uid: 3, gid: 4 },
    args: ["sleep", "2000"],
    cwd: "/",
    env: ["PATH=/bin"],
  };
  Deno.writeTextFileSync(file, JSON.stringify(process));
  await box.detached(["exec", "-d", "--process", file, "--pid-file", pidFile, id]);
  const pid = read(pidFile);
  assertMatch(pid, /^\d+$/);
  await waitFor(() => read(`/proc/${pid}/cmdline`) === "sleep\x002000\x00");
  assertMatch(read(`/proc/${pid}/status`), /^Uid:\t3\t3\t3\t3$/m);
  const pids = JSON.parse(await box.ok("ps", "--format", "json", id)) as number[];
  assert(pids.includes(Number(pid)));
  assertEquals(pids.length, 2);
});

test("ps() shows the container's processes only", async (box) => {
  const id = await box.sleeping();
  const lines = (await box.ok("ps", id)).trim().split("\n");
  assertMatch(lines[0], /^UID +PID +PPID/);
  assertMatch(lines[1], /sleep 1000$/);
  assertEquals(lines.length, 2);
});

test("list() has a table, JSON and ids", async (box) => {
  const id = await box.sleeping();
  const { pid, bundle } = await box.state(id);
  const [header, row] = (await box.ok("list")).split("\n");
  assertMatch(header, /^ID +PID +STATUS +BUNDLE +CREATED +OWNER$/);
  assertMatch(row, new RegExp(`^${id} +${pid} +running +${bundle} +\\S+ +root$`));
  const [entry] = JSON.parse(await box.ok("list", "--format", "json"));
  assertEquals([entry.id, entry.pid, entry.status, entry.owner], [id, pid, "running", "root"]);
  await box.ok("delete", "--force", id);
  assertEquals(await box.ok("list", "-f", "json"), "null\n");
  assertEquals(await box.ok("list", "-q"), "");
});

test("features() is the document of the specification", async (box) => {
  const features = JSON.parse(await box.ok("features"));
  assertEquals(features.ociVersionMin, "1.0.0");
  assertEquals(features.hooks.length, 6);
  for (const word of ["bind", "rro", "tmpcopyup", "rslave"]) {
    assert(features.mountOptions.includes(word), word);
  }
  assert(features.linux.namespaces.includes("cgroup"));
  assert(features.linux.seccomp.actions.includes("SCMP_ACT_NOTIFY"));
  assertEquals(features.linux.cgroup.v1, true);
});

test("spec() writes a config that runs, and none over another", async (box) => {
  const directory = `${box.top}/fresh`;
  Deno.mkdirSync(directory);
  await box.ok("spec", "--bundle", directory);
  const again = await box.oci("spec", "--bundle", directory);
  assertStringIncludes(again.stderr, "File config.json exists. Remove it first");
  const spec = JSON.parse(read(`${directory}/config.json`));
  assertEquals(spec.process.args, ["sh"]);
  assertEquals(spec.root.path, "rootfs");
  const rootless = `${box.top}/rootless`;
  Deno.mkdirSync(rootless);
  await box.ok("spec", "--rootless", "--bundle", rootless);
  const types = JSON.parse(read(`${rootless}/config.json`)).linux.namespaces
    .map(({ type }: { type: string }) => type);
  assert(types.includes("user") && !types.includes("network"));
});

test("the rootless spec() runs as it is", async (box) => {
  const directory = `${box.top}/rootless`;
  Deno.mkdirSync(directory);
  await box.ok("spec", "--rootless", "--bundle", directory);
  const spec = JSON.parse(read(`${directory}/config.json`));
  spec.process.terminal = false;
  spec.process.args = ["cat", "/proc/self/uid_map"];
  spec.root.path = box.rootfs;
  delete spec.process.rlimits;
  Deno.writeTextFileSync(`${directory}/config.json`, JSON.stringify(spec));
  const { stdout, stderr } = await box.oci("run", "--bundle", directory, box.id());
  assertMatch(stdout, /^ +0 +0 +1$/m, stderr);
});
