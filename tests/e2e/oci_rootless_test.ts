/** podman of an ordinary user, with our runtime. Each of its commands takes half a second. */
import { defaultSpec } from "../../src/runtime/oci_default_spec.ts";
import type { Spec } from "../../src/runtime/spec_types.ts";
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { waitFor } from "../lib/engine.ts";
import { busyboxRoot } from "../lib/oci_box.ts";
import { OrdinaryUser } from "../lib/ordinary_user.ts";
import { type Peer, startRootlessPodman } from "../lib/peer_engines.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const NEEDED = ["podman", "conmon", "newuidmap", "setpriv", "busybox", "script"];
const missing = NEEDED.filter((program) => !hasProgram(program));
const reason = missing.length > 0 ? `needs ${missing.join(", ")}` : "needs root";

type RootlessPeer = Peer<OrdinaryUser>;

async function shortLives(peer: RootlessPeer, t: Deno.TestContext): Promise<void> {
  const run = (...args: string[]) => peer.run("run", "--rm", "--network", "none", ...args);
  await t.step("run applies user, mounts, capabilities and, if it can, limits", async () => {
    const words = ["-u", "5:6", "--read-only", "--tmpfs", "/tt", "--cap-drop", "all", "-m", "64m"];
    const script = "id -u; id -g; touch /v/x || touch /x || touch /tt/x && echo written; " +
      "grep CapEff /proc/self/status; exit 7";
    const volume = `${peer.place.top}/rootfs:/v:ro`;
    // Where an ordinary user has no cgroups, podman asks for none and says so.
    const { code, stdout } = await run(...words, "-v", volume, "small", "sh", "-c", script);
    assertEquals([code, stdout], [7, "5\n6\nwritten\nCapEff:\t0000000000000000\n"]);
  });
  await t.step("run tells that a command is not there", async () => {
    assertEquals((await run("small", "nope")).code, 127);
  });
  await t.step("run --userns keep-id -it has a terminal and keeps the user's number", async () => {
    const words = ["run", "--rm", "-it", "--network", "none", "--userns", "keep-id", "small"];
    // podman loses what is said by who ends at once.
    const show = () => peer.shown(...words, "sh", "-c", "test -t 0 && id -u");
    await waitFor(async () => (await show()).includes(String(peer.place.uid)), 60_000);
  });
  for (const network of ["slirp4netns", "pasta"]) {
    await t.step(`run --network ${network} has an interface beside lo`, async () => {
      if (!hasProgram(network)) return;
      const words = ["run", "--rm", "--network", network, "small", "ls", "/sys/class/net"];
      const { code, stdout, stderr } = await peer.run(...words);
      // podman before 4.4 knows no pasta.
      if (network === "pasta" && stderr.includes("network not found")) return;
      assertEquals(code, 0, stderr);
      assertEquals(stdout.trim().split("\n").length, 2, stdout);
    });
  }
}

async function longLives(peer: RootlessPeer, t: Deno.TestContext): Promise<void> {
  const run = async (name: string, ...args: string[]) => {
    const words = ["run", "-d", "--network", "none", "--name", name, ...args];
    const { code, stderr } = await peer.run(...words);
    assertEquals(code, 0, stderr);
  };
  await t.step("a container in the background: exec, logs, stop, start, rm", async () => {
    const script = "trap 'echo bye; exit 3' TERM; echo started; while :; do sleep 0.1; done";
    await run("back", "small", "sh", "-c", script);
    await waitFor(async () => (await peer.ok("logs", "back")).includes("started"));
    const { code, stdout } = await peer.run("exec", "back", "sh", "-c", "echo inside; exit 9");
    assertEquals([code, stdout], [9, "inside\n"]);
    const tty = await peer.shown("exec", "-it", "back", "sh", "-c", "test -t 0 && echo terminal");
    assertMatch(tty, /terminal/);
    await peer.ok("stop", "back");
    assertEquals(await peer.ok("inspect", "-f", "{{.State.ExitCode}}", "back"), "3");
    assertStringIncludes(await peer.ok("logs", "back"), "bye");
    await peer.ok("start", "back");
  });
  await t.step("exec enters a user namespace of the container's own, too", async () => {
    await run("own", "--userns", "keep-id", "small", "sleep", "1000");
    assertEquals(await peer.ok("exec", "own", "id", "-u"), String(peer.place.uid));
  });
  await t.step("nothing is left of what was removed by force", async () => {
    await peer.ok("rm", "-f", "-t", "0", "back", "own");
    const ours = () => peer.place.processes().filter((line) => /conmon|diplodock/.test(line));
    await waitFor(() => ours().length === 0);
    assertEquals([...Deno.readDirSync(`${peer.place.run}/diplodock/oci`)], []);
  });
}

Deno.test({
  name: "podman of an ordinary user runs its containers with our runtime",
  ...skipUnless(missing.length === 0 && isRoot(), `rootless podman: ${reason}`),
  fn: async (t) => {
    await using peer = await startRootlessPodman();
    await shortLives(peer, t);
    await longLives(peer, t);
  },
});

Deno.test({
  name: "hooks and exec enter all of a container but what root of a user namespace shares with it",
  ...skipUnless(hasProgram("busybox") && hasProgram("setpriv") && isRoot(), "needs root, busybox"),
  fn: async () => {
    await using user = await OrdinaryUser.make();
    const rootfs = `${user.top}/rootfs`, bundle = `${user.top}/bundle`, out = `${user.home}/out`;
    busyboxRoot(rootfs);
    const points = ["proc", "dev", "out"].map((name) => `${rootfs}/${name}`);
    for (const path of [bundle, out, ...points]) Deno.mkdirSync(path);
    Deno.chownSync(out, user.uid, user.uid);
    const { process, mounts, ...rest } = defaultSpec();
    const spec: Spec = {
      ...rest,
      process: { ...process!, terminal: false, args: ["sleep", "1000"], rlimits: [] },
      root: { path: rootfs },
      mounts: [
        ...mounts!.filter(({ destination }) => /^.(proc|dev)$/.test(destination)),
        { destination: "/out", type: "bind", source: out, options: ["bind"] },
      ],
      // Network and cgroup namespace are the machine's, which nobody but its root may enter.
      linux: { namespaces: [{ type: "pid" }, { type: "mount" }, { type: "ipc" }, { type: "uts" }] },
      hooks: {
        createContainer: [{ path: "/bin/busybox", args: ["touch", `${out}/createContainer`] }],
        startContainer: [{ path: "/bin/touch", args: ["touch", "/out/startContainer"] }],
      },
    };
    Deno.writeTextFileSync(`${bundle}/config.json`, JSON.stringify(spec));
    const runtime = `${user.top}/diplodock-oci`;
    Deno.symlinkSync("diplodock", runtime);
    const script = `oci() { ${runtime} --root ${user.home}/state "$@"; }; set -e
      oci create -b ${bundle} c > /dev/null < /dev/null; trap 'oci delete -f c' EXIT
      oci start c; oci exec c touch /out/exec; ls ${out}`;
    const { stdout, stderr } = await user.as(["unshare", "-rm", "sh", "-c", script]);
    assertEquals(stdout, "createContainer\nexec\nstartContainer\n", stderr);
  },
});
