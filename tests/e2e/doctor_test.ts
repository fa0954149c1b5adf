/** `doctor`, on this machine and where it must find something missing; `run --strict`. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Engine } from "../lib/engine.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ...skipUnless(isRoot(), "needs root"), fn });
}

interface Finding {
  readonly Feature: string;
  readonly State: string;
  readonly Essential: boolean;
  readonly Why: string;
  readonly Remedy: string;
}

const parse = (text: string): Finding[] => text.trim().split("\n").map((line) => JSON.parse(line));

test("doctor tries every feature and leaves nothing behind", async () => {
  const before = engine.mounts();
  const doctor = engine.spawn(["doctor", "--format", "json"]);
  const { code, stdout, stderr } = await doctor.output();
  const [text, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals([code, said], [0, ""]);
  const findings = parse(text);
  assert(findings.length > 30, `${findings.length}`);
  for (const { Feature, State, Essential, Why, Remedy } of findings) {
    assert(["works", "partly", "fails"].includes(State), State);
    assertEquals([Why === "", Remedy === ""], [State === "works", State === "works"], Feature);
    if (Essential) assertEquals([Feature, State], [Feature, "works"]);
  }
  assertEquals(engine.mounts(), before);
  const left = Array.from(Deno.readDirSync(engine.root), ({ name }) => name);
  assertEquals(left.filter((name) => name.includes("doctor")), []);
  const groups = await new Deno.Command("find", {
    args: ["/sys/fs/cgroup", "-maxdepth", "3", "-name", `doctor-${doctor.pid}-*`],
  }).output();
  assertEquals(new TextDecoder().decode(groups.stdout), "");
});

test("doctor says what a container cannot do, and ends with 1", async () => {
  const binary = Deno.realPathSync(Deno.env.get("DIPLODOCK_BIN") ?? "dist/diplodock");
  const { code, stdout } = await engine.host(
    ...[
      "--security-opt",
      "seccomp=unconfined",
      "-e",
      "DIPLODOCK_ROOT=/tmp/inner/root",
      "-e",
      "DIPLODOCK_RUN=/tmp/inner/run",
    ],
    ...["-v", `${binary}:/bin/inner`, "host", "/bin/inner", "doctor", "--format", "json"],
  );
  assertEquals(code, 1);
  const findings = new Map(parse(stdout).map((finding) => [finding.Feature, finding]));
  for (
    const feature of ["mount namespace", "pid namespace", "bridge and veth", "proc of its own"]
  ) {
    assertEquals(findings.get(feature)?.State, "fails", feature);
    assertStringIncludes(findings.get(feature)!.Why, "EPERM");
  }
  assertEquals(findings.get("all capabilities")?.State, "partly");
  assertEquals(findings.get("programs from memory")?.State, "works");
});

test("doctor --problems leaves out what works", async () => {
  const { stdout } = await engine.dd("doctor", "--problems", "--format", "{{.State}}");
  assert(!stdout.includes("works"), stdout);
});

const available = BigInt(
  `0x${/^CapBnd:\s*(\S+)/m.exec(Deno.readTextFileSync("/proc/self/status"))![1]}`,
);
const lacks = available !== (1n << 41n) - 1n;

Deno.test({
  name: "run --strict refuses where capabilities would be narrowed",
  ...skipUnless(isRoot() && lacks, "needs root without some capability"),
  fn: async () => {
    const plain = await engine.host("--privileged", "host", "true");
    assertEquals(plain.code, 0);
    assertStringIncludes(plain.stderr, "WARNING: This host does not have CAP_");
    const strict = await engine.host("--privileged", "--strict", "host", "true");
    assertEquals(strict.code, 125);
    assertStringIncludes(strict.stderr, "Refused because of --strict");
    engine.remember();
    assertEquals(await engine.left(), []);
  },
});

const REFUSED: string[][] = [
  ["--kernel-memory", "100m"],
  ["--security-opt", "apparmor=no-such-profile"],
  ["--security-opt", "label=type:no_such_t"],
];

for (const flags of REFUSED) {
  test(`run --strict refuses ${flags.join(" ")} where it has no effect`, async () => {
    if (flags[1].startsWith("apparmor") || flags[1].startsWith("label")) {
      const { stdout } = await engine.dd("doctor", "--format", "{{.Feature}} {{.State}}");
      const module = flags[1].startsWith("apparmor") ? "AppArmor" : "SELinux";
      if (!stdout.includes(`${module} fails`)) return; // it has an effect here: another error
    }
    const { code, stderr } = await engine.host(...flags, "--strict", "host", "true");
    assertEquals(code, 125);
    assertStringIncludes(stderr, "iscarded. Refused because of --strict");
    const plain = await engine.host(...flags, "host", "true");
    assertEquals(plain.code, 0);
    assertStringIncludes(plain.stderr, "WARNING: ");
    engine.remember();
    assertEquals(await engine.left(), []);
  });
}

/** A machine whose cgroups cannot be written to, as in many containers. */
async function withoutCgroups(...words: string[]) {
  const script = "awk '$2 ~ \"^/sys/fs/cgroup\" { print $2 }' /proc/mounts | sort -ru | " +
    'while read -r path; do mount -o remount,bind,ro "$path"; done; exec "$@"';
  const binary = Deno.env.get("DIPLODOCK_BIN") ?? "dist/diplodock";
  const { code, stdout, stderr } = await new Deno.Command("unshare", {
    args: ["-m", "--propagation", "private", "sh", "-c", script, "sh", binary, ...words],
    env: engine.env,
    stdin: "null",
  }).output();
  const [out, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out, stderr: said };
}

test("without cgroups a container of root is told to have no device rules, or refused", async () => {
  const why = "Cannot use cgroups: read-only file system. Device rules discarded.";
  const { stdout } = await withoutCgroups("doctor", "--format", "{{.Feature}}: {{.Why}}");
  assertStringIncludes(stdout, `device rules: ${why}`);
  const run = ["run", "--rm", "--network", "none"];
  const narrowed = await withoutCgroups(...run, "host", "true");
  assertEquals([narrowed.code, narrowed.stderr], [0, `WARNING: ${why}\n`]);
  const strict = await withoutCgroups(...run, "--strict", "host", "true");
  assertEquals(strict.code, 125);
  assertStringIncludes(strict.stderr, `${why} Refused because of --strict`);
});

test("a container that runs without cgroups takes other processes", async () => {
  const run = ["run", "-d", "--name", "bare", "--network", "none"];
  const started = await withoutCgroups(...run, "host", "sleep", "1000");
  assertEquals(started.code, 0, started.stderr);
  const inside = await withoutCgroups("exec", "bare", "echo", "inside");
  assertEquals(inside, { code: 0, stdout: "inside\n", stderr: "" });
  const removed = await withoutCgroups("rm", "-f", "bare");
  assertEquals(removed, { code: 0, stdout: "bare\n", stderr: "" });
});
