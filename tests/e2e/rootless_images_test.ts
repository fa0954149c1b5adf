/** An ordinary user's images and files: from a registry and back, in archives, in and out of containers. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { waitFor } from "../lib/engine.ts";
import { OrdinaryUser } from "../lib/ordinary_user.ts";
import { canServe, Registry } from "../lib/registry.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const needs = skipUnless(
  isRoot() && hasProgram("setpriv") && hasProgram("newuidmap") && hasProgram("nsenter"),
  "needs root, setpriv, nsenter and newuidmap (uidmap) to become an ordinary user",
);
const served = needs.ignore ? needs : skipUnless(canServe(), "needs docker-registry and openssl");

let user: OrdinaryUser;

Deno.test.beforeAll(async () => {
  if (needs.ignore) return;
  user = await OrdinaryUser.make();
  const root = `${user.top}/bb`, archive = `${user.top}/bb.tar`;
  Deno.mkdirSync(`${root}/bin`, { recursive: true });
  Deno.copyFileSync("/bin/busybox", `${root}/bin/busybox`);
  for (const name of ["sh", "cat", "stat", "ls", "sleep"]) {
    Deno.symlinkSync("busybox", `${root}/bin/${name}`);
  }
  for (const [name, text] of [["file", "from the image\n"], ["gone", "gone\n"]]) {
    Deno.writeTextFileSync(`${root}/${name}`, text);
  }
  Deno.chownSync(`${root}/file`, 1000, 33);
  await new Deno.Command("tar", { args: ["-C", root, "-cf", archive, "."] }).output();
  await user.ok("import", archive, "bb");
});

Deno.test.afterAll(async () => {
  if (!needs.ignore) await user[Symbol.asyncDispose]();
});

const look = ["stat", "-c", "%u:%g", "/file"];
const run = ["run", "--rm", "--network", "none"];

/** The lines that tar has for an archive. */
async function listed(path: string): Promise<string> {
  const args = ["--numeric-owner", "-tvf", path];
  const { stdout } = await new Deno.Command("tar", { args }).output();
  return new TextDecoder().decode(stdout);
}

Deno.test({
  name: "an ordinary user pushes to a registry, pulls from it and runs what came",
  ...served,
  fn: async () => {
    await using registry = await Registry.start();
    const name = `${registry.host}/mine:1`;
    await user.ok("tag", "bb", name);
    await user.ok("push", name);
    await user.ok("save", "-o", `${user.home}/kept.tar`, "bb");
    await user.ok("rmi", name, "bb");
    assertEquals(await user.ok("images", "-q"), "");
    await user.ok("pull", name);
    assertEquals(await user.ok(...run, name, ...look), "1000:33");
    await user.ok("rmi", name);
    await user.ok("load", "-i", `${user.home}/kept.tar`);
    assertEquals(await user.ok(...run, "bb", ...look), "1000:33");
  },
});

Deno.test({
  name: "an ordinary user commits, saves, removes and loads an image with deletions in it",
  ...needs,
  fn: async () => {
    const script = "echo x > /new; busybox rm /gone; busybox chown 5:6 /new";
    await user.ok("run", "--name", "made", "--network", "none", "bb", "sh", "-c", script);
    await user.ok("commit", "made", "changed");
    await user.ok("rm", "made");
    await user.ok("save", "-o", `${user.home}/changed.tar`, "changed");
    await user.ok("rmi", "changed");
    await user.ok("load", "-i", `${user.home}/changed.tar`);
    const out = await user.ok(...run, "changed", "sh", "-c", "ls /; stat -c %u:%g /new /file");
    assert(!out.includes("gone"), out);
    assertStringIncludes(out, "5:6\n1000:33");
    await user.ok("rmi", "changed");
  },
});

const ROWS: [name: string, words: string[]][] = [
  ["an image", ["bb"]],
  ["an image with --userns keep-id", ["--userns", "keep-id", "-u", "0", "bb"]],
  ["the machine's own root", ["host"]],
];

for (const [what, words] of ROWS) {
  Deno.test({
    name: `an ordinary user copies in and out of containers of ${what}, and exports them`,
    ...needs,
    fn: async () => {
      const given = `${user.home}/given`, got = `${user.home}/got`;
      Deno.writeTextFileSync(given, "given\n");
      Deno.chownSync(given, user.uid, user.uid);
      const script = "mkdir -p /srv && echo made > /srv/made && echo ready && sleep 1000";
      const all = ["--name", "own", "--network", "none", ...words];
      const shell = words.at(-1) === "bb" ? ["busybox", "sh"] : ["sh"];
      const prepared = script.replace("mkdir", words.at(-1) === "bb" ? "busybox mkdir" : "mkdir");
      await user.ok("run", "-d", ...all, ...shell, "-c", prepared);
      try {
        await waitFor(async () => await user.ok("logs", "own") === "ready");
        await user.ok("cp", given, "own:/srv/running");
        assertEquals(await user.ok("exec", "own", "cat", "/srv/running"), "given");
        await user.ok("stop", "-t", "0", "own");
        await user.ok("cp", given, "own:/srv/stopped");
        await user.ok("cp", "own:/srv/running", got);
        assertEquals(Deno.readTextFileSync(got), "given\n");
        if (words.at(-1) === "host") {
          assertStringIncludes(await user.ok("diff", "own"), "A /srv/made");
          // All of the machine is too much for a test: its first files.
          const line = `${user.top}/diplodock export own | tar -t 2>/dev/null | head -n 20`;
          const { stdout } = await user.as(["sh", "-c", line]);
          assert(stdout.startsWith(".dockerenv\n") && stdout.split("\n").length > 20, stdout);
        } else {
          await user.ok("export", "-o", `${user.home}/all.tar`, "own");
          const lines = await listed(`${user.home}/all.tar`);
          assertStringIncludes(lines, "srv/stopped");
          assert(/ 1000\/33 .* file$/m.test(lines), lines);
        }
        await user.ok("start", "own");
        assertEquals(await user.ok("exec", "own", "cat", "/srv/stopped"), "given");
      } finally {
        await user.ok("rm", "-f", "own");
      }
    },
  });
}

Deno.test({
  name: "an ordinary user builds images: owners are those inside, and the cache is his own",
  ...needs,
  fn: async () => {
    const context = `${user.home}/context`;
    await user.asRoot(`mkdir -p ${context} && chown ${user.uid} ${context}`);
    Deno.writeTextFileSync(
      `${context}/Dockerfile`,
      `FROM bb
COPY --chown=1000:33 Dockerfile /copied
RUN --mount=type=cache,target=/cache --mount=type=secret,id=s \\
  cat /run/secrets/s > /made && cat /cache/n 2>/dev/null; echo 1 > /cache/n
USER 1000
RUN echo mine > /tmp-of || true
FROM host AS tools
RUN echo of-host > /tmp/first && echo > /tmp/other
RUN rm /tmp/other && mv /tmp/first /tmp/tool
RUN test ! -e /tmp/first && test ! -e /tmp/other
FROM bb
COPY --from=0 /copied /made /
COPY --from=tools /tmp/tool /`,
    );
    Deno.writeTextFileSync(`${context}/secret`, "hidden\n");
    const secret = ["--secret", `id=s,src=${context}/secret`];
    const build = [
      "build",
      "--network",
      "none",
      "--allow",
      "host",
      ...secret,
      "-t",
      "built",
      context,
    ];
    const { code, stderr } = await user.dd(...build);
    assertEquals(code, 0, stderr);
    assertEquals(
      await user.ok(...run, "built", "stat", "-c", "%u:%g %n", "/copied", "/made", "/tool"),
      "1000:33 /copied\n0:0 /made\n0:0 /tool",
    );
    const again = await user.dd(...build);
    assertStringIncludes(again.stderr, "CACHED");
    await user.ok("rmi", "built");
    await user.ok("builder", "prune", "-af");
  },
});
