/**
 * An ordinary user whose machine gives him no overlayfs: his store is on a file system that it does
 * not take. fuse-overlayfs stands in for it, and where that is not installed a copy.
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { waitFor } from "../lib/engine.ts";
import { OrdinaryUser } from "../lib/ordinary_user.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const needs = skipUnless(
  isRoot() && hasProgram("setpriv") && hasProgram("newuidmap") && hasProgram("nsenter"),
  "needs root, setpriv, nsenter and newuidmap (uidmap) to become an ordinary user",
);

/** His store on an overlay; an image in it. */
async function refused(hide: boolean): Promise<OrdinaryUser> {
  const user = await OrdinaryUser.make();
  const disk = `${user.top}/disk`, { store, uid, home } = user;
  await user.asRoot(
    `mkdir -p ${disk}/l ${disk}/u ${disk}/w ${store}; ` +
      `mount -t overlay overlay -o lowerdir=${disk}/l,upperdir=${disk}/u,workdir=${disk}/w ${store}; ` +
      `chown -R ${uid}:${uid} ${home}/.local`,
  );
  if (hide) {
    await user.asRoot(
      "for p in /usr/bin /usr/local/bin /bin; do [ ! -e $p/fuse-overlayfs ] || " +
        "mount --bind /dev/null $p/fuse-overlayfs; done",
    );
  }
  const root = `${user.top}/bb`, archive = `${user.top}/bb.tar`;
  Deno.mkdirSync(`${root}/bin`, { recursive: true });
  Deno.copyFileSync("/bin/busybox", `${root}/bin/busybox`);
  for (const name of ["sh", "cat", "stat", "chown", "sleep", "id"]) {
    Deno.symlinkSync("busybox", `${root}/bin/${name}`);
  }
  Deno.writeTextFileSync(`${root}/file`, "from the image\n");
  Deno.chownSync(`${root}/file`, 1000, 33);
  await new Deno.Command("tar", { args: ["-C", root, "-cf", archive, "."] }).output();
  await user.ok("import", archive, "bb");
  return user;
}

const ROWS: [name: string, hide: boolean, note: RegExp, skip: { ignore: boolean }][] = [
  [
    "fuse-overlayfs stands in for overlayfs",
    false,
    /NOTE: this machine refuses overlayfs \(fsconfig: EINVAL\): fuse-overlayfs stands in/,
    needs.ignore ? needs : skipUnless(hasProgram("fuse-overlayfs"), "needs fuse-overlayfs"),
  ],
  [
    "a copy stands in for overlayfs",
    true,
    /fuse-overlayfs is not installed: each container/,
    needs,
  ],
];

for (const [name, hide, note, skip] of ROWS) {
  Deno.test({
    name: `for an ordinary user ${name}, and is mentioned once`,
    ...skip,
    fn: async () => {
      await using user = await refused(hide);
      const run = ["run", "--network", "none"];
      const script = "stat -c %u:%g /file; echo x > /new; chown 5:6 /new; rm /bin/id";
      const first = await user.dd(...run, "--name", "made", "bb", "sh", "-c", script);
      assertEquals([first.code, first.stdout], [0, "1000:33\n"], first.stderr);
      assertMatch(first.stderr, note);
      const changes = (await user.ok("diff", "made")).split("\n").sort();
      assertEquals(changes, ["A /new", "C /bin", "D /bin/id"]);
      await user.ok("cp", "made:/new", `${user.home}/copied`);
      assertEquals(Deno.readTextFileSync(`${user.home}/copied`), "x\n");
      await user.ok(...run, "-d", "--name", "long", "bb", "sleep", "1000");
      assertStringIncludes(await user.ok("exec", "-u", "7", "long", "cat", "/file"), "image");
      await user.ok("rm", "-f", "long", "made");
      const ids = ["--userns", "keep-id:uid=1000,gid=33", "bb", "stat", "-c", "%u:%g", "/file"];
      const second = await user.dd(...run, "--rm", ...ids);
      assertEquals(second, { code: 0, stdout: "1000:33\n", stderr: "" });
      await waitFor(() => user.processes().length === 0).catch(() => {});
      assertEquals(user.processes(), []);
    },
  });
}

Deno.test({
  name:
    "for an ordinary user the machine's own root lies below fuse-overlayfs, as much of it writable as can be",
  ...ROWS[0][3],
  fn: async () => {
    await using user = await refused(false);
    // One is at two paths, which fuse-overlayfs would mix up, one is not.
    await user.asRoot(
      `mkdir ${user.top}/below; mount --bind ${user.top}/below /etc/opt; ` +
        "mount -t tmpfs tmpfs /srv; echo kept > /srv/kept; chmod 777 /srv",
    );
    const name = `diplodock-${crypto.randomUUID()}`;
    const script = `echo x > /etc/${name} && cat /etc/${name}; ls -A /run; ` +
      `ls -A ${user.store}/containers; cat /etc/shadow; touch /etc/opt/y; cp /srv/kept /srv/new; sleep 1000`;
    const run = ["run", "-d", "--name", "own", "--network", "none", "host", "sh", "-c", script];
    await user.ok(...run);
    await waitFor(async () => (await user.ok("diff", "own")).includes("A /srv/new"));
    const logs = async () => await user.as(["sh", "-c", `${user.top}/diplodock logs own 2>&1`]);
    // What was printed before that file was made may still be on its way to the log.
    await waitFor(async () => (await logs()).stdout.split("\n").length > 3);
    // Of two streams: which comes first is chance.
    const said = (await logs()).stdout.trim().split("\n").sort().join("\n");
    assertMatch(said, /^cat: .*Permission denied\ntouch: .*Read-only file system\nx$/);
    await user.ok("cp", `own:/etc/${name}`, `${user.home}/copied`);
    assertEquals(Deno.readTextFileSync(`${user.home}/copied`), "x\n");
    // Not to the end: it is the whole machine.
    const line = `${user.top}/diplodock export own | tar -t 2>/dev/null | grep -m 1 ^etc/${name}`;
    const { stdout } = await user.as(["sh", "-c", line]);
    assertEquals(stdout, `etc/${name}\n`);
    await user.ok("rm", "-f", "own");
    await waitFor(() => user.processes().length === 0);
  },
});
