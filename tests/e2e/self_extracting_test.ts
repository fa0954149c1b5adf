/**
 * The self-extracting file on machines of many kinds: each test has its own /var/cache, /tmp and
 * /run in a mount namespace, and the file as its only belonging.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { HEAD_BYTES } from "../../build/package.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const PROGRAM = Deno.env.get("DIPLODOCK_BIN") ?? "dist/diplodock";
const VERSION = /^Diplodock version \d+\.\d+\.\d+, build \S+\n$/;

/** Whether the file's head is ours; a compiled file has nothing to unpack. */
function selfExtracting(): boolean {
  using file = Deno.openSync(PROGRAM);
  const head = new Uint8Array(HEAD_BYTES);
  file.readSync(head);
  return new TextDecoder().decode(head).includes("DIPLODOCK_SELF=");
}

const OPTIONS = isRoot() && ["unshare", "setpriv", "busybox"].every(hasProgram)
  ? skipUnless(selfExtracting(), "the program is compiled, not self-extracting")
  : skipUnless(false, "needs root, unshare, setpriv and busybox");

const SETUP = `set -e
mount --make-rprivate /
for place in /var/cache /run; do mount -t tmpfs -o mode=755 none $place; done
mount -t tmpfs -o mode=1777 none /tmp
mkdir -m 700 /run/home; chown 4321:4321 /run/home
known() { echo known:x:4321:4321::/run/home:/bin/sh > /run/passwd; mount -o bind /run/passwd /etc/passwd; }
user() { setpriv --reuid 4321 --regid 4321 --clear-groups env -u HOME -u XDG_CACHE_HOME "$@"; }
cd /
`;

/** Runs a script with the program as $P; what it wrote, errors included. */
function onFreshMachine(script: string): string {
  const folder = Deno.makeTempDirSync({ dir: "/var/tmp", prefix: "diplodock-e2e-" });
  try {
    Deno.chmodSync(folder, 0o755);
    Deno.copyFileSync(PROGRAM, `${folder}/diplodock`);
    const { stdout } = new Deno.Command("unshare", {
      args: ["--mount", "sh", "-c", `exec 2>&1\n${SETUP}\n${script}`],
      env: { P: `${folder}/diplodock` },
      stdin: "null",
    }).outputSync();
    return new TextDecoder().decode(stdout);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function test(name: string, fn: () => void): void {
  Deno.test({ name, ...OPTIONS, fn });
}

const KINDS: [name: string, script: string, place: string][] = [
  ["root", "$P --version", "/var/cache/diplodock"],
  ["root without HOME", "env -u HOME $P --version", "/var/cache/diplodock"],
  ["a user with a home", "user HOME=/run/home $P --version", "/run/home/.cache/diplodock"],
  [
    "a user with XDG_CACHE_HOME",
    "mkdir /run/home/c; chown 4321 /run/home/c; user XDG_CACHE_HOME=/run/home/c $P --version",
    "/run/home/c/diplodock",
  ],
  ["a user without HOME", "user $P --version", "/tmp/diplodock-4321"],
  [
    "a user with a read-only home",
    "mount -o bind /run/home /run/home; mount -o remount,bind,ro /run/home;" +
    "user HOME=/run/home $P --version",
    "/tmp/diplodock-4321",
  ],
  [
    "a user whose session has a folder under /run/user",
    "mkdir -p /run/user/4321; chown 4321 /run/user/4321; user $P --version",
    "/run/user/4321/diplodock-cache",
  ],
  ["a known user without HOME", "known; user $P --version", "/run/home/.cache/diplodock"],
  [
    "a known user without HOME who is root of a user namespace",
    "known; user unshare -r $P --version",
    "/run/home/.cache/diplodock",
  ],
  [
    "an unknown user who is root of a user namespace, with XDG_RUNTIME_DIR",
    "user unshare -r env XDG_RUNTIME_DIR=/run/home $P --version",
    "/run/home/diplodock-cache",
  ],
];
for (const [name, script, place] of KINDS) {
  test(`the first start of ${name} unpacks into ${place}, the second runs from there`, () => {
    const again = `ls -d ${place}/*/diplodock; ${script.split(/[;]/).at(-1)}`;
    const lines = onFreshMachine(`${script}\n${again}`).split("\n");
    assertMatch(lines[0] + "\n", VERSION);
    assertMatch(lines[1], new RegExp(`^${place}/[0-9a-f]{32}/diplodock$`));
    assertEquals(lines[2], lines[0]);
  });
}

test("a user runs what root unpacked", () => {
  const output = onFreshMachine("$P --version; user HOME=/run/home $P --version; ls -A /tmp");
  const [first, second, rest] = output.split("\n");
  assertEquals([second, rest], [first, ""]);
});

test("ten first starts at once all run and leave one program and nothing half done", () => {
  const output = onFreshMachine(
    "for i in 1 2 3 4 5 6 7 8 9 10; do $P --version & done; wait; find /var/cache -name '.new*'",
  );
  const lines = output.trimEnd().split("\n");
  assertEquals(lines.length, 10);
  for (const line of lines) assertMatch(line + "\n", VERSION);
});

test("a start after one that was killed while unpacking runs", () => {
  const output = onFreshMachine(
    `for pause in 0 0.01 0.03 0.05 0.1; do
       setsid $P --version > /dev/null 2>&1 & pid=$!
       sleep $pause; kill -9 -$pid 2> /dev/null || :; wait $pid 2> /dev/null || :
     done
     $P --version`,
  );
  assertMatch(output, VERSION);
});

const PLANTED: [name: string, script: string][] = [
  ["in /tmp under the user's name", "plant /tmp/diplodock-4321; user $P --version"],
  [
    "behind a link in /tmp",
    "plant /tmp/evil; ln -s /tmp/evil /tmp/diplodock-4321; user $P --version",
  ],
  ["in a HOME of somebody else", "plant /tmp/h/.cache/diplodock; user HOME=/tmp/h $P --version"],
  [
    "in a cache of somebody else",
    "plant /tmp/c/diplodock; user XDG_CACHE_HOME=/tmp/c $P --version",
  ],
];
for (const [name, script] of PLANTED) {
  test(`a program planted ${name} is not run`, () => {
    const id =
      "id=$($P --version > /dev/null; ls /var/cache/diplodock); rm -r /var/cache/diplodock";
    const plant = `plant() { mkdir -p $1/$id; chmod 777 $1; chown -R 777 $1
      printf '#!/bin/sh\\necho planted' > $1/$id/diplodock; chmod 755 $1/$id/diplodock; }`;
    const output = onFreshMachine(`${id}\n${plant}\n${script}`);
    assertMatch(output, VERSION);
  });
}

test("without any place to unpack the error says what to do", () => {
  const output = onFreshMachine(
    "mount -o remount,ro /tmp; TMPDIR=/proc user TMPDIR=/proc $P --version || echo code $?",
  );
  assertStringIncludes(output, "diplodock: Cannot unpack: no place");
  assertStringIncludes(output, "Set XDG_CACHE_HOME");
  assert(output.endsWith("code 125\n"));
});

test("without glibc the error says so, once", () => {
  const output = onFreshMachine(
    `mkdir -p /run/root/bin /run/root/dev; : > /run/root/dev/null; cp /bin/busybox /run/root/bin
cp $P /run/root/diplodock
for name in sh id ls mkdir mktemp chmod tail head wc rm; do ln -s busybox /run/root/bin/$name; done
chroot /run/root /diplodock --version || echo code $?`,
  );
  const lines = output.trimEnd().split("\n").slice(-2);
  assertEquals(lines, ["diplodock: Cannot run: this is not a Linux with glibc", "code 125"]);
});

test("the log of compiled code is put away once commands were used", () => {
  const commands = [
    "run --rm --network none host true",
    "ps",
    "info",
    "system df",
    "events --until 1",
  ];
  const script = `export DIPLODOCK_ROOT=/run/root DIPLODOCK_RUN=/run/run
for words in ${commands.map((words) => `"${words}"`).join(" ")}; do $P $words > /run/out 2>&1; done
$P --version > /run/out
$P version > /run/out
cd /var/cache/diplodock/*/ && stat -c "%n %s" deno*/v8_code_cache_v2*`;
  const sizes = Object.fromEntries(
    onFreshMachine(script).trim().split("\n").map((line) => line.split(" ")),
  );
  // What `events`, `info` and others start with, and what short commands do.
  for (const folder of ["deno", "deno-quick"]) {
    const [code, log] = ["v8_code_cache_v2", "v8_code_cache_v2-wal"].map((name) =>
      Number(sizes[`${folder}/${name}`])
    );
    assert(code > 300_000, JSON.stringify(sizes));
    assert(log <= 200_000, JSON.stringify(sizes));
  }
});
