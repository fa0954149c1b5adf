/**
 * Options of the OCI commands that engines use, hooks, and the shapes of errors. Every test runs
 * with ours and, where it is there, with runc, from which its expectations come.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { readInto, writeAll } from "../../ffi/fd.ts";
import { windowSize } from "../../ffi/tty.ts";
import type { Hook, Spec } from "../../src/runtime/spec_types.ts";
import { DescriptorSocket } from "../lib/descriptor_socket.ts";
import { waitFor } from "../lib/engine.ts";
import { type OciBox, ociTest as test, read } from "../lib/oci_box.ts";

test("create writes the pid file", async (box) => {
  const id = box.id(), file = `${box.top}/pid`;
  const bundle = box.command(["sleep", "1000"]);
  await box.detached(["create", "--pid-file", file, "--bundle", bundle, id]);
  assertEquals(read(file), String((await box.state(id)).pid));
});

test("create sends the terminal over the console socket, in the size of the config", async (box) => {
  const id = box.id(), path = `${box.top}/console`;
  using socket = new DescriptorSocket(path);
  const args = [
    "sh",
    "-c",
    "test -t 0 && echo a terminal; read line; echo got $line; exec sleep 1000",
  ];
  const bundle = box.command(args, (spec) => {
    spec.process!.terminal = true;
    spec.process!.consoleSize = { height: 30, width: 100 };
  });
  const created = box.detached(["create", "--console-socket", path, "--bundle", bundle, id]);
  const { fd } = await socket.receive();
  using master = fd;
  await created;
  assertEquals(windowSize(master.raw), { height: 30, width: 100 });
  await box.ok("start", id);
  writeAll(master, new TextEncoder().encode("words\n"));
  let shown = "";
  const bytes = new Uint8Array(4096);
  while (!shown.includes("got words")) {
    const count = readInto(master, bytes);
    assert(count > 0, shown);
    shown += new TextDecoder().decode(bytes.subarray(0, count));
  }
  assertStringIncludes(shown, "a terminal");
});

test("preserved descriptors reach the process and its exec", async (box) => {
  const id = box.id();
  Deno.writeTextFileSync(`${box.top}/three`, "third\n");
  const bundle = box.command(["sh", "-c", "cat <&3; exec sleep 1000"]);
  const script = `exec 3< ${box.top}/three; out=$0; "$@" > "$out" 2>&1 < /dev/null`;
  const out = `${box.top}/out`;
  const words = (args: string[]) => ["-c", script, out, ...box.argv, ...args];
  const run = ["run", "-d", "--preserve-fds", "1", "--bundle", bundle, id];
  assertEquals((await new Deno.Command("/bin/sh", { args: words(run) }).output()).code, 0);
  await waitFor(() => read(out) === "third\n");
  const exec = ["exec", "--preserve-fds", "1", id, "cat", "/proc/self/fd/3"];
  assertEquals((await new Deno.Command("/bin/sh", { args: words(exec) }).output()).code, 0);
  assertEquals(read(out), "third\n");
});

test("LISTEN_FDS is passed on as socket activation has it", async (box) => {
  const bundle = box.command([
    "sh",
    "-c",
    "echo $LISTEN_FDS $LISTEN_PID; readlink /proc/self/fd/3",
  ]);
  Deno.writeTextFileSync(`${box.top}/three`, "");
  const script = `exec 3< ${box.top}/three; export LISTEN_PID=$$; exec "$0" "$@"`;
  const args = ["-c", script, ...box.argv, "run", "--bundle", bundle, box.id()];
  const { stdout } = await new Deno.Command("/bin/sh", { args, env: { LISTEN_FDS: "1" } }).output();
  assertEquals(new TextDecoder().decode(stdout).split("\n").slice(0, 2), [
    "1 1",
    `${box.top}/three`,
  ]);
});

test("no-pivot and no-new-keyring start the same process", async (box) => {
  const bundle = box.command(["ls", "/"]);
  for (const flag of ["--no-pivot", "--no-new-keyring"]) {
    const { stdout, stderr } = await box.oci("run", flag, "--bundle", bundle, box.id());
    assertMatch(stdout, /^bin$/m, stderr);
  }
});

test("kill --all reaches processes that init does not wait for", async (box) => {
  const id = box.id();
  const bundle = box.command(["sh", "-c", "sleep 2000 & exec sleep 1000"]);
  await box.detached(["run", "-d", "--bundle", bundle, id]);
  const pids = async () => JSON.parse(await box.ok("ps", "-f", "json", id)) as number[] | null;
  await waitFor(async () => (await pids())?.length === 2);
  await box.ok("kill", "--all", id, "KILL");
  await waitFor(async () => (await pids()) === null);
});

/** A hook that appends its name and the state's status to a file. */
function hook(box: OciBox, name: string, more = ""): Hook {
  const script = `read state; echo "$NAME $state" >> ${box.top}/hooks; ${more}`;
  return {
    path: "/bin/sh",
    args: ["sh", "-c", script],
    env: [`NAME=${name}`, "PATH=/bin:/usr/bin"],
  };
}

/** What hooks have told, by name: their order and the state they were given. */
function told(box: OciBox): [name: string, state: Record<string, unknown>][] {
  return read(`${box.top}/hooks`).split("\n").filter(Boolean).map((line) => {
    const space = line.indexOf(" ");
    return [line.slice(0, space), JSON.parse(line.slice(space + 1))];
  });
}

test("hooks run at their points with the state on stdin", async (box) => {
  const id = box.id();
  const mark = (name: string): Hook => ({
    path: "/bin/sh",
    args: ["sh", "-c", `cat > /${name}`],
    env: ["PATH=/bin"],
  });
  const bundle = box.command(["sleep", "1000"], (spec) => {
    spec.annotations = { color: "red" };
    spec.hooks = {
      prestart: [hook(box, "prestart")],
      createRuntime: [hook(box, "createRuntime")],
      createContainer: [hook(box, "createContainer")],
      startContainer: [mark("startContainer")],
      poststart: [hook(box, "poststart")],
      poststop: [hook(box, "poststop")],
    };
  });
  await box.detached(["create", "--bundle", bundle, id]);
  const { pid } = await box.state(id);
  const names = () => told(box).map(([name]) => name);
  assertEquals(names().slice(0, 3), ["prestart", "createRuntime", "createContainer"]);
  // The specification has it after start; runc up to 1.1 is earlier.
  if (box.name !== "runc") assertEquals(names().length, 3);
  const [[, state]] = told(box);
  assertEquals([state.id, state.pid, state.bundle], [id, pid, bundle]);
  assertEquals(state.annotations, { color: "red" });
  assertEquals(read(`${box.rootfs}/startContainer`), "");
  await box.ok("start", id);
  await waitFor(() => names().length === 4);
  assertEquals(names()[3], "poststart");
  // runc returns before it has run this one.
  const given = () => read(`${box.rootfs}/startContainer`).trimEnd();
  await waitFor(() => given().endsWith("}"));
  assertEquals(JSON.parse(given()).id, id);
  await box.ok("kill", id, "KILL");
  await box.untilStatus(id, "stopped");
  await box.ok("delete", id);
  assertEquals(names()[4], "poststop");
  assertEquals(told(box)[4][1].status, "stopped");
});

const FAILING: [kind: "prestart" | "createRuntime" | "createContainer", text: RegExp][] = [
  ["prestart", /error running (prestart )?hook #0: .*exit status 3.*sorry/],
  ["createRuntime", /error running (createRuntime )?hook #0: .*exit status 3.*sorry/],
  ["createContainer", /error running (createContainer )?hook #0: .*exit status 3.*sorry/],
];
for (const [kind, text] of FAILING) {
  test(`a ${kind} hook that fails fails create, and nothing is left`, async (box) => {
    const id = box.id();
    const bundle = box.command(["true"], (spec) => {
      spec.hooks = { [kind]: [hook(box, kind, "echo sorry >&2; exit 3")] };
    });
    const { code, stderr } = await box.oci("create", "--bundle", bundle, id);
    assertEquals(code, 1);
    assertMatch(stderr.replaceAll("\n", " "), text);
    assertStringIncludes((await box.oci("state", id)).stderr, "container does not exist");
  });
}

test("a hook that takes longer than its timeout is killed and fails create", async (box) => {
  const slow: Hook = { path: "/bin/sleep", args: ["sleep", "1000"], timeout: 1 };
  const bundle = box.command(["true"], (spec: Spec) => spec.hooks = { createRuntime: [slow] });
  const { code, stderr } = await box.oci("create", "--bundle", bundle, box.id());
  assertEquals(code, 1);
  assertStringIncludes(stderr, "hook #0");
});

const REFUSED: [words: string[], code: number, text: string][] = [
  [["state", "nobody"], 1, "container does not exist"],
  [["kill", "nobody"], 1, "container does not exist"],
  [["start", "nobody"], 1, "container does not exist"],
  [["delete", "nobody"], 1, "container does not exist"],
  [["exec", "nobody", "true"], 1, "container does not exist"],
  [["pause", "nobody"], 1, "container does not exist"],
  [["delete", "--force", "nobody"], 0, ""],
  [["start"], 1, 'start\\" requires exactly 1 argument(s)'],
  [["exec"], 1, 'exec\\" requires a minimum of 1 argument(s)'],
  [["bogus"], 3, "No help topic for 'bogus'"],
  [["create", "--bundle", "/nonexistent", "x"], 1, "no such file or directory"],
  [["create", "a/b"], 1, "JSON specification file config.json not found"],
];
for (const [words, code, text] of REFUSED) {
  test(`${words.join(" ")} exits with ${code} ${text && `and "${text}"`}`, async (box) => {
    const result = await box.oci(...words);
    assertStringIncludes(result.stderr + result.stdout, text);
    // runc has 255 for what fails in exec.
    assertEquals(words[0] === "exec" && result.code === 255 ? 1 : result.code, code);
  });
}

test("what does not fit the state is refused with the words engines know", async (box) => {
  const id = box.id(), bundle = box.command(["sleep", "1000"]);
  await box.detached(["run", "-d", "--bundle", bundle, id]);
  const refused = async (text: string, ...words: string[]) => {
    const { code, stderr } = await box.oci(...words);
    assertStringIncludes(stderr, text);
    assert(code !== 0);
  };
  await refused("container with given ID already exists", "create", "--bundle", bundle, id);
  await refused("is not stopped: running", "delete", id);
  await refused("cannot start an already running container", "start", id);
  await refused("unknown signal", "kill", id, "NOPE");
  await box.ok("kill", id, "KILL");
  await box.untilStatus(id, "stopped");
  await refused("container not running", "kill", id, "TERM");
  await refused("cannot exec in a stopped container", "exec", id, "true");
  await refused("cannot start a container that has stopped", "start", id);
});

test("the log has logrus's two forms", async (box) => {
  const log = `${box.top}/log`;
  const [program, ...rest] = box.argv;
  const failed = async (...flags: string[]) => {
    const args = [...rest, "--log", log, ...flags, "state", "nobody"];
    const { code, stderr } = await new Deno.Command(program, { args }).output();
    assertEquals(code, 1);
    assertStringIncludes(new TextDecoder().decode(stderr), "container does not exist");
    return read(log).trim().split("\n").at(-1)!;
  };
  const entry = JSON.parse(await failed("--log-format", "json"));
  assertEquals([entry.level, entry.msg], ["error", "container does not exist"]);
  assertMatch(entry.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$/);
  assertMatch(
    await failed("--log-format", "text"),
    /^time="\d{4}-\S+" level=error msg="container does not exist"$/,
  );
});

test("a command that is not there fails create as engines expect it", async (box) => {
  const { code, stderr } = await box.run(["nope"]);
  assertStringIncludes(stderr, 'exec: \\"nope\\": executable file not found in $PATH');
  assertEquals(code, 1);
  const absent = await box.run(["/nope"]);
  assertStringIncludes(absent.stderr, 'exec: \\"/nope\\": stat /nope: no such file or directory');
  const directory = await box.run(["/bin"]);
  assertMatch(directory.stderr, /exec: \\"\/bin\\": (permission denied|is a directory)/);
});

test("a file that the kernel does not execute ends the container with the reason", async (box) => {
  Deno.writeTextFileSync(`${box.rootfs}/bad`, "xyz", { mode: 0o755 });
  const { code, stderr } = await box.run(["/bad"]);
  assertStringIncludes(stderr, "exec /bad: exec format error");
  assertEquals(code, 1);
});
