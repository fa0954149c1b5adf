/** An ordinary user's containers: the same commands, without a right of the machine's root. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { waitFor } from "../lib/engine.ts";
import { OrdinaryUser, SUBORDINATE } from "../lib/ordinary_user.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const needs = skipUnless(
  isRoot() && hasProgram("setpriv") && hasProgram("newuidmap") && hasProgram("nsenter"),
  "needs root, setpriv, nsenter and newuidmap (uidmap) to become an ordinary user",
);
const offered = (program: string) =>
  needs.ignore ? needs : skipUnless(hasProgram(program), `needs ${program}`);

let user: OrdinaryUser;

Deno.test.beforeAll(async () => {
  if (needs.ignore) return;
  user = await OrdinaryUser.make();
  await user.ok("import", image(user), "bb");
});

Deno.test.afterAll(async () => {
  if (!needs.ignore) await user[Symbol.asyncDispose]();
});

/** An archive of busybox with a directory and a file of other owners; its path. */
function image({ top }: OrdinaryUser): string {
  const root = `${top}/bb`, archive = `${top}/bb.tar`;
  for (const name of ["bin", "etc", "data", "www"]) {
    Deno.mkdirSync(`${root}/${name}`, { recursive: true });
  }
  Deno.copyFileSync("/bin/busybox", `${root}/bin/busybox`);
  for (const name of ["sh", "cat", "sleep", "stat", "id", "httpd", "touch", "chown", "wc", "ls"]) {
    Deno.symlinkSync("busybox", `${root}/bin/${name}`);
  }
  Deno.writeTextFileSync(`${root}/etc/passwd`, "root:x:0:0::/:/bin/sh\nu:x:1000:1000::/:/bin/sh\n");
  Deno.writeTextFileSync(`${root}/etc/group`, "root:x:0:\nu:x:1000:\n");
  Deno.writeTextFileSync(`${root}/data/file`, "from the image\n");
  Deno.writeTextFileSync(`${root}/www/index.html`, "hello\n");
  for (const path of ["data", "data/file"]) Deno.chownSync(`${root}/${path}`, 1000, 33);
  const { success } = new Deno.Command("tar", { args: ["-C", root, "-cf", archive, "."] })
    .outputSync();
  if (!success) throw new Error("Cannot make an archive");
  return archive;
}

/** A file's owner on the machine. */
function ownerOf(path: string): string {
  const { uid, gid } = Deno.statSync(path);
  return `${uid}:${gid}`;
}

/** Outside, the id of a container is this one. */
const outside = (id: number) => SUBORDINATE.start + id - 1;

Deno.test({
  name: "an ordinary user's container lives as root's do, and nothing of it stays",
  ...needs,
  fn: async () => {
    await user.ok(
      "run",
      "-d",
      "--name",
      "life",
      "--network",
      "none",
      "bb",
      "sh",
      "-c",
      [
        "trap 'exit 5' TERM; touch /made; echo started",
        "while :; do sleep 1 & wait; done",
      ].join("; "),
    );
    await waitFor(async () => await user.ok("logs", "life") === "started");
    assertMatch(await user.ok("ps"), /bb .* Up .* life/);
    assertEquals(await user.ok("exec", "life", "id"), "uid=0(root) gid=0(root) groups=0(root)");
    assertStringIncludes(await user.ok("exec", "-u", "u", "life", "id"), "uid=1000(u)");
    assertStringIncludes(await user.ok("top", "life"), "sleep 1");
    assertEquals(await user.ok("inspect", "-f", "{{.State.Status}}", "life"), "running");
    assertStringIncludes(await user.ok("diff", "life"), "A /made");
    await user.ok("commit", "life", "made");
    await user.ok("stop", "life");
    assertEquals(await user.ok("wait", "life"), "5");
    await user.ok("start", "life");
    await user.ok("rm", "-f", "life");
    assertEquals(await user.ok("run", "--rm", "--network", "none", "made", "ls", "/made"), "/made");
    await user.ok("rmi", "made");
    assertEquals(await user.ok("ps", "-aq"), "");
    await waitFor(() => user.processes().length === 0);
    assertEquals([...Deno.readDirSync(`${user.run}/diplodock/containers`)], []);
  },
});

Deno.test({
  name: "files keep their owners inside, by subordinate ids outside",
  ...needs,
  fn: async () => {
    const script = "stat -c %u:%g /data/file /bin/busybox; touch /mine; chown 5:6 /mine; " +
      "touch /b/f; chown 1000 /b/f";
    const bind = `${user.home}/bind`;
    const out = await user.ok(
      ...["run", "--name", "own", "--network", "none", "-v", "data:/data", "-v", `${bind}:/b`],
      ...["bb", "sh", "-c", script],
    );
    assertEquals(out, "1000:33\n0:0");
    const [id] = [...Deno.readDirSync(`${user.store}/containers`)].map(({ name }) => name)
      .filter((name) => /^[0-9a-f]{64}$/.test(name));
    assertEquals(
      ownerOf(`${user.store}/containers/${id}/upper/mine`),
      `${outside(5)}:${outside(6)}`,
    );
    assertEquals(
      ownerOf(`${user.store}/volumes/data/data/file`),
      `${outside(1000)}:${outside(33)}`,
    );
    assertEquals(ownerOf(`${bind}/f`), `${outside(1000)}:${user.uid}`);
    assertEquals(ownerOf(bind), `${user.uid}:${user.uid}`);
    // What belongs to ids that are not his is removed by him all the same.
    await user.ok("rm", "own");
    await user.ok("volume", "rm", "data");
    assertEquals(await user.ok("volume", "ls", "-q"), "");
    assert(!exists(`${user.store}/volumes/data`));
    await user.ok("unshare", "rm", "-r", bind);
  },
});

Deno.test({
  name: "--userns keep-id is the user himself inside, nomap leaves him out",
  ...needs,
  fn: async () => {
    Deno.writeTextFileSync(`${user.home}/mine`, "mine\n");
    Deno.chownSync(`${user.home}/mine`, user.uid, user.uid);
    const script = "id -u; stat -c %u:%g /h/mine /data/file /";
    const run = ["run", "--rm", "--network", "none", "-v", `${user.home}:/h`];
    const kept = await user.ok(...run, "--userns", "keep-id", "bb", "sh", "-c", script);
    assertEquals(kept, `${user.uid}\n${user.uid}:${user.uid}\n1000:33\n0:0`);
    const other = await user.ok(
      ...[...run, "--userns", "keep-id:uid=1000,gid=1000", "bb", "sh", "-c"],
      `${script}; touch /h/new`,
    );
    assertEquals(other, "1000\n1000:1000\n1000:33\n0:0");
    assertEquals(ownerOf(`${user.home}/new`), `${user.uid}:${user.uid}`);
    Deno.chmodSync(user.home, 0o755); // to somebody who is nobody there
    const without = await user.ok(...run, "--userns", "nomap", "bb", "sh", "-c", script);
    assertEquals(without, "0\n65534:65534\n1000:33\n0:0");
    // What such a container changed has the ids inside when it becomes an image.
    const change = "touch /root-owns /user-owns; chown 1000:5 /user-owns";
    await user.ok(
      ...["run", "--name", "kept", "--network", "none", "--userns", "keep-id", "-u", "0"],
      ...["bb", "sh", "-c", change],
    );
    await user.ok("commit", "kept", "made");
    assertEquals(
      await user.ok(
        ...["run", "--rm", "--network", "none", "made", "stat", "-c", "%u:%g"],
        ...["/root-owns", "/user-owns"],
      ),
      "0:0\n1000:5",
    );
    await user.ok("rm", "kept");
    await user.ok("rmi", "made");
  },
});

for (const program of ["pasta", "slirp4netns"]) {
  Deno.test({
    name: `a published port leads into a container by ${program}`,
    ...offered(program),
    fn: async () => {
      const env = { DIPLODOCK_ROOTLESS_NETWORK: program };
      const { code, stderr } = await user.with(
        env,
        ...["run", "-d", "--name", "web", "-p", "127.0.0.1::80", "bb"],
        ...["httpd", "-f", "-p", "80", "-h", "/www"],
      );
      assertEquals([code, stderr], [0, ""]);
      try {
        const address = (await user.ok("port", "web", "80/tcp")).trim();
        assertMatch(address, /^127\.0\.0\.1:\d+$/);
        let body = "";
        await waitFor(async () => {
          body = await fetch(`http://${address}/`).then((answer) => answer.text(), () => "");
          return body !== "";
        });
        assertEquals(body, "hello\n");
        const routes = await user.ok("exec", "web", "cat", "/proc/net/route");
        assertMatch(routes, /^eth0\t00000000\t0202000A/m);
        assertStringIncludes(await user.ok("exec", "web", "cat", "/etc/hosts"), "10.0.2.100");
      } finally {
        await user.ok("rm", "-f", "web");
      }
      await waitFor(() => user.processes().length === 0);
    },
  });
}

Deno.test({
  name: "the machine's own root is an image for an ordinary user too, with what he may read",
  ...needs,
  fn: async () => {
    // A name that nobody has: what is there already may be somebody else's.
    const name = `diplodock-${crypto.randomUUID()}`;
    const script = `id -u; touch /tmp/${name} /${name} && echo written; cat /etc/shadow`;
    const { stdout, stderr, code } = await user.dd(
      ...["run", "--rm", "--network", "none", "host", "sh", "-c", script],
    );
    assertEquals([code, stdout], [1, "0\nwritten\n"]);
    assertStringIncludes(stderr, "Permission denied");
    assert(!exists(`/${name}`) && !exists(`/tmp/${name}`));
  },
});

Deno.test({
  name: "a volume that is a read-only bind stays so where the mount has flags that must not go",
  ...needs,
  fn: async () => {
    const place = `${user.top}/marked`;
    await user.asRoot(
      `mkdir ${place}; mount -t tmpfs -o nosuid,nodev none ${place}; chown ${user.uid} ${place}`,
    );
    const options = ["type=none", "o=bind,ro", `device=${place}`].flatMap((word) => ["-o", word]);
    await user.ok("volume", "create", ...options, "marked");
    const { code, stderr } = await user.dd(
      ...[
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        "marked:/marked",
        "host",
        "touch",
        "/marked/file",
      ],
    );
    assertEquals(code, 1);
    assertStringIncludes(stderr, "Read-only file system");
    await user.ok("volume", "rm", "marked");
  },
});

Deno.test({
  name: "an ordinary user's machine may have mounts below /etc: the container's can be written to",
  ...needs,
  fn: async () => {
    const below = `${user.top}/below`;
    // A mount below, and a link that leads nowhere in the container: as systemd-resolved has one.
    await user.asRoot(
      `mkdir -p ${below}/etc; cp -a /etc/passwd ${below}/etc; [ ! -e /etc/ssl ] || cp -a /etc/ssl ${below}/etc; echo old > ${below}/etc/gone; ` +
        `echo secret > ${below}/etc/closed; chmod 600 ${below}/etc/closed; ` +
        `ln -s ../nowhere/file ${below}/etc/resolv.conf; mkdir ${below}/etc/opt ${below}/etc/dir; ` +
        `echo kept > ${below}/etc/dir/kept; mount --bind ${below}/etc /etc; ` +
        `mount --bind ${below} /etc/opt`,
    );
    try {
      const script = "wc -l < /etc/resolv.conf > /etc/lines && cat /etc/closed; rm /etc/gone; " +
        "echo x > /etc/dir/new; cat /etc/dir/kept; touch /etc/opt/x; echo ready; exec sleep 1000";
      const run = ["run", "-d", "--name", "own", "-v", `${below}:/srv`, "--network", "none"];
      await user.ok(...run, "host", "sh", "-c", script);
      const logs = () => user.as(["sh", "-c", `${user.top}/diplodock logs own 2>&1`]);
      await waitFor(async () => (await logs()).stdout.split("\n").length > 4);
      // Of two streams: which comes first is chance.
      const said = (await logs()).stdout.trim().split("\n").sort().join("\n");
      const wanted =
        /^cat: .*closed: Permission denied\nkept\nready\ntouch: .*Read-only file system$/;
      assertMatch(said, wanted);
      const changes = ["A /etc/dir/new", "A /etc/lines", "C /etc", "C /etc/dir", "D /etc/gone"];
      assertEquals((await user.ok("diff", "own")).split("\n").sort(), changes);
      // Running as stopped: what is mounted into it is not among its files.
      const line = `${user.top}/diplodock export own | tar -t 2>/dev/null | ` +
        "sed -n '/^dev/p; /^etc.[^/]*$/p; /^etc.dir/p; /^[f-z]/q'";
      const running = (await user.as(["sh", "-c", line])).stdout;
      assertStringIncludes(running, "etc/dir/kept\netc/dir/new\n");
      assertStringIncludes(running, "etc/lines\n");
      assert(/^dev\/$/m.test(running) && !/gone|dev\/./.test(running), running);
      await user.ok("stop", "-t", "0", "own");
      assertEquals((await user.as(["sh", "-c", line])).stdout, running);
      await user.ok("start", "own");
      assertEquals((await user.ok("diff", "own")).split("\n").sort(), changes);
    } finally {
      await user.ok("rm", "-f", "own");
      await user.asRoot("umount /etc/opt /etc");
    }
  },
});

Deno.test({
  name: "an ordinary user maps his ids by --uidmap and --gidmap, himself and the others",
  ...needs,
  fn: async () => {
    const script = "cat /proc/self/uid_map /proc/self/gid_map; stat -c %u:%g /data/file /";
    const maps = ["--uidmap", "0:0:2000", "--gidmap", "0:1:100"];
    const run = ["run", "--rm", "--network", "none", ...maps, "bb", "sh", "-c", script];
    const words = (await user.ok(...run)).trim().split(/\s+/).join(" ");
    assertEquals(words, "0 0 1 1 1 1999 0 1 100 1000:33 0:0");
  },
});

Deno.test({
  name: "an ordinary user is told what he cannot have",
  ...needs,
  fn: async () => {
    const refused: [words: string[], text: string][] = [
      [["--network", "mine", "bb", "id"], "only root can make"],
      [["--network", "none", "--userns", "auto", "bb", "id"], "use keep-id, nomap or host"],
      [["--network", "none", "--userns", "keep-id", "host", "id"], "use an image"],
      [
        ["--network", "none", "--uidmap", "0:100000:1", "bb", "id"],
        "Cannot map id 100000: it is none of yours (0 to 65536)",
      ],
    ];
    for (const [words, text] of refused) {
      const { code, stderr } = await user.dd("run", "--rm", ...words);
      assertEquals(code, 125, stderr);
      assertStringIncludes(stderr, text);
    }
    const network = await user.dd("network", "create", "mine");
    assertEquals(network.code, 1);
    assertStringIncludes(network.stderr, "only root can make");
    const limited = await user.dd("run", "--rm", "--network", "none", "-m", "64m", "bb", "id");
    assertEquals(limited.code, 0);
    const info = await user.ok("info", "-f", "{{.SecurityOptions}} {{.DockerRootDir}}");
    assertStringIncludes(info, "name=rootless");
    assertStringIncludes(info, user.store);
    assertEquals(await user.ok("ps", "-aq"), "");
  },
});

Deno.test({
  name: "doctor tells an ordinary user what works for him, and what is missing",
  ...offered("pasta"),
  fn: async () => {
    const states = async (who: OrdinaryUser) => {
      const { code, stdout } = await who.dd("doctor", "--format", "{{json .}}");
      const findings = stdout.trim().split("\n").map((line) => JSON.parse(line));
      return { code, of: new Map(findings.map((found) => [found.Feature, found])) };
    };
    const full = await states(user);
    assertEquals(full.code, 0);
    assertMatch(full.of.get("user namespace").Why, /^keep-id, nomap .* work; auto is for root$/);
    assertEquals(full.of.get("network of its own").State, "works");
    assertEquals(full.of.get("bridge and veth").Why, "only root can make networks of the machine");
    assertEquals(full.of.has("packet filter"), false);
    await using poor = await OrdinaryUser.make();
    const disk = `${poor.top}/disk`, { store, uid, home } = poor;
    await poor.asRoot(
      "for p in newuidmap pasta slirp4netns fuse-overlayfs; do p=$(command -v $p) || continue; " +
        `mount --bind /dev/null $p; done; mkdir -p ${disk}/l ${disk}/u ${disk}/w ${store}; ` +
        `mount -t overlay o -o lowerdir=${disk}/l,upperdir=${disk}/u,workdir=${disk}/w ${store}; ` +
        `chown -R ${uid}:${uid} ${home}/.local`,
    );
    const { code, of } = await states(poor);
    // Containers start all the same.
    assertEquals(code, 0);
    assertStringIncludes(of.get("user namespace").Why, "one user id only");
    assertStringIncludes(of.get("network of its own").Why, "pasta and slirp4netns not found");
    assertMatch(of.get("overlay in the store").Why, /EINVAL.*a copy .* is not installed/);
  },
});

Deno.test({
  name: "a user without subordinate ids has one id, and is told so once",
  ...needs,
  fn: async () => {
    await using single = await OrdinaryUser.make({ single: true });
    const archive = image(single);
    const first = await single.dd("import", archive, "bb");
    assertStringIncludes(first.stderr, "NOTE: containers have one user id only");
    const words = ["run", "--rm", "--network", "none", "bb", "stat", "-c", "%u:%g", "/data/file"];
    const { code, stdout, stderr } = await single.dd(...words);
    assertEquals([code, stdout, stderr], [0, "0:0\n", ""]);
  },
});

function exists(path: string): boolean {
  try {
    return Deno.lstatSync(path) !== undefined;
  } catch {
    return false;
  }
}
