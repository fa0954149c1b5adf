/** The modes of what an engine makes, for users whose shells give new files to nobody else. */
import { assertEquals } from "@std/assert";
import { Engine, PROGRAM } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const WANTED = {
  "/": 755,
  "/etc": 755,
  "/etc/hostname": 644,
  "/etc/hosts": 644,
  "/etc/resolv.conf": 644,
  "/volume": 755,
  "/bound": 755,
  "/place": 755,
  "/place/deep": 755,
};

Deno.test({
  name: "a container's files are for all of its users, whatever the umask of who starts it",
  ...skipUnless(isRoot(), "needs root"),
  async fn() {
    const rootfs = engine.rootfs("small", (directory) => Deno.chmodSync(directory, 0o755));
    const flags = ["--network", "none", "--workdir", "/place/deep"];
    const mounts = ["-v", "vol:/volume", "-v", `${engine.path("made")}:/bound`];
    const command = ["stat", "-c", "%n %a", ...Object.keys(WANTED)];
    const words = ["run", "--rm", ...flags, ...mounts, "--rootfs", `${rootfs}:O`, ...command];
    const { stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", 'umask 077; exec "$@"', "sh", PROGRAM, ...words],
      env: engine.env,
    }).output();
    const lines = new TextDecoder().decode(stdout).trim().split("\n");
    assertEquals(
      Object.fromEntries(lines.map((line) => line.split(" "))),
      Object.fromEntries(Object.entries(WANTED).map(([path, mode]) => [path, `${mode}`])),
      new TextDecoder().decode(stderr),
    );
  },
});
