/** What an image says of its containers is what its containers get. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { waitFor } from "../lib/engine.ts";
import { ImageBox, oldDockerArchive, peer } from "../lib/image_box.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const OPTIONS = skipUnless(isRoot() && hasProgram("busybox"), "needs root and busybox-static");

const ROOT = `
mkdir -p "$0/bin" "$0/etc" "$0/data/inside"; cd "$0"
cp "$(command -v busybox)" bin/busybox
for applet in sh env id pwd cat stat sleep true; do ln -s busybox bin/$applet; done
printf 'root:x:0:0::/root:/bin/sh\\njoe:x:1000:1000::/home/joe:/bin/sh\\n' >etc/passwd
printf 'joe:x:1000:\\nextra:x:77:joe\\n' >etc/group
echo content >data/file; chown -R 1000:77 data; chmod 2750 data
`;

const CHANGES = [
  'ENTRYPOINT ["/bin/sh", "-c"]',
  'CMD ["env; id; pwd; stat -c %a:%u:%g . file inside"]',
  'ENV A=b C="d e"',
  "WORKDIR /data",
  "VOLUME /data",
  "USER joe",
  "EXPOSE 80/udp 443",
  "LABEL k=v",
  "STOPSIGNAL SIGUSR1",
  "HEALTHCHECK --interval=200ms --retries=1 CMD true",
  'SHELL ["/bin/sh", "-ec"]',
];

async function makeImage(box: ImageBox, name: string, ...more: string[]): Promise<void> {
  await peer("sh", "-ec", ROOT, `${box.top}/root`);
  await peer("tar", "-C", `${box.top}/root`, "-cf", `${box.top}/root.tar`, ".");
  const changes = CHANGES.flatMap((line) => ["-c", line]);
  await box.ok("import", ...changes, ...more, `${box.top}/root.tar`, name);
}

function test(name: string, fn: (box: ImageBox) => Promise<void>): void {
  Deno.test({
    name,
    ...OPTIONS,
    async fn() {
      using box = new ImageBox();
      try {
        await fn(box);
      } finally {
        const ids = (await box.run("ps", "-aq")).out.split("\n").filter(Boolean);
        if (ids.length > 0) await box.run("rm", "-f", "-v", ...ids);
      }
    },
  });
}

test("run takes command, environment, user, directory and volume from the image", async (box) => {
  await makeImage(box, "app:1");
  const lines = (await box.ok("run", "--rm", "--network", "none", "app:1")).split("\n");
  for (const line of ["A=b", "C=d e", "HOME=/home/joe", "/data"]) {
    assert(lines.includes(line), line);
  }
  const id = lines.find((line) => line.startsWith("uid="))!;
  assertStringIncludes(id, "uid=1000(joe) gid=1000(joe) groups=");
  assertStringIncludes(id, "77(extra)");
  // The anonymous volume has the image's files, owners and modes, and its own.
  assertEquals(lines.slice(-3), ["2750:1000:77", "644:1000:77", "755:1000:77"]);
  assertEquals(await box.ok("volume", "ls", "-q"), "", "--rm left the volume");

  const given = ["-e", "A=x", "-u", "0", "-w", "/etc", "--network", "none"];
  const other = await box.ok("run", "--rm", ...given, "app:1", "echo $A; id -u; pwd");
  assertEquals(other, "x\n0\n/etc");
  const none = ["--entrypoint", "/bin/cat", "--network", "none"];
  assertEquals(await box.ok("run", "--rm", ...none, "app:1", "file"), "content");
});

test("stop sends the image's signal, its health check runs, inspect shows the rest", async (box) => {
  await makeImage(box, "app:1");
  const script = "trap 'exit 7' USR1; echo ready; while :; do sleep 0.05; done";
  await box.ok("run", "-d", "--name", "one", "--network", "none", "app:1", script);
  const health = () => box.ok("inspect", "-f", "{{.State.Health.Status}}", "one");
  await waitFor(async () => await health() === "healthy");
  await waitFor(async () => await box.ok("logs", "one") === "ready");
  await box.ok("stop", "one");
  assertEquals(await box.ok("inspect", "-f", "{{.State.ExitCode}}", "one"), "7");
  const [{ Config, Mounts }] = JSON.parse(await box.ok("inspect", "one"));
  assertEquals(Config.ExposedPorts, { "80/udp": {}, "443/tcp": {} });
  assertEquals(Config.Labels, { k: "v" });
  assertEquals(Config.Shell, ["/bin/sh", "-ec"]);
  assertEquals([Mounts.length, Mounts[0].Destination], [1, "/data"]);
  assertEquals(
    await box.ok("ps", "-aq", "--filter", "label=k=v", "--filter", "ancestor=app:1"),
    await box.ok("ps", "-aq"),
  );
});

test("an image for another machine runs with a warning, unless the platform was asked for", async (box) => {
  const [here, there] = Deno.build.arch === "x86_64" ? ["amd64", "arm64"] : ["arm64", "amd64"];
  await makeImage(box, "other:1", "--platform", `linux/${there}`);
  const quick = ["run", "--rm", "--network", "none"];
  const warned = await box.run(...quick, "other:1", "true");
  assertEquals([warned.code, warned.out], [0, ""], warned.err);
  assertEquals(
    warned.err,
    `WARNING: The requested image's platform (linux/${there}) does not match the detected host ` +
      `platform (linux/${here}) and no specific platform was requested\n`,
  );
  const asked = await box.run(...quick, "--platform", `linux/${there}`, "other:1", "true");
  assertEquals([asked.code, asked.err], [0, ""]);
});

test("an image without layers has an empty root, to which files can be copied", async (box) => {
  const wish = { tags: ["none:1"], layers: [], config: { Env: ["PATH=/bin"] } };
  await box.ok("load", "-i", box.file("none.tar", oldDockerArchive(wish)));
  const ran = await box.run("run", "--rm", "--network", "none", "none:1", "sh");
  assertEquals(ran.code, 127);
  assertStringIncludes(ran.err, 'exec: "sh": executable file not found in $PATH');
  await box.ok("create", "--name", "empty", "--network", "none", "none:1", "sh");
  await box.ok("cp", box.file("new", "x"), "empty:/new");
  assertEquals(await box.ok("diff", "empty"), "A /new");
  await box.ok("commit", "empty", "one:1");
  assertEquals((await box.layers("one:1")).length, 1);
});
