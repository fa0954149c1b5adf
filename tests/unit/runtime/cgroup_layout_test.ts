import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import {
  cgroupDirectory,
  type Hierarchy,
  hierarchyOf,
  normalizeCgroupPath,
  parseLayout,
  parseOwnCgroups,
  slicePath,
} from "../../../src/runtime/cgroup_layout.ts";

const ROOT = "20 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw";
const V2 = "30 20 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
const HYBRID = `${ROOT}
31 20 0:28 / /sys/fs/cgroup ro,nosuid shared:5 - tmpfs tmpfs ro,mode=755
32 31 0:29 / /sys/fs/cgroup/unified rw shared:6 - cgroup2 cgroup2 rw
33 31 0:30 / /sys/fs/cgroup/systemd rw shared:7 - cgroup cgroup rw,xattr,name=systemd
34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:8 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory
36 20 0:32 /docker/ab /var/lib/x/merged/sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
37 20 0:40 / /mnt/a\\040-\\040cgroup rw - tmpfs tmpfs rw
`;

Deno.test("parseLayout() recognises v2", () => {
  assertEquals(parseLayout(`${ROOT}\n${V2}\n`), {
    version: 2,
    hierarchies: [
      { name: "", mountPoint: "/sys/fs/cgroup", root: "/", version: 2, controllers: [] },
    ],
  });
});

Deno.test("parseLayout() recognises a hybrid and takes each hierarchy once", () => {
  const { version, hierarchies } = parseLayout(HYBRID);
  assertEquals(version, 1);
  assertEquals(
    hierarchies.map(({ name, version, controllers }) => [name, version, controllers.join()]),
    [
      ["systemd", 1, ""],
      ["cpu,cpuacct", 1, "cpu,cpuacct"],
      ["memory", 1, "memory"],
      ["unified", 2, ""],
    ],
  );
  assertEquals(hierarchies[2].mountPoint, "/sys/fs/cgroup/memory");
});

const EMPTY: [name: string, text: string][] = [
  ["nothing", ""],
  ["no cgroups", ROOT],
  ["half a line", " - cgroup2 x"],
  ["a v1 hierarchy without controllers", "1 2 0:3 / /c rw - cgroup cgroup rw,name=systemd"],
  ["rubbish", "\0\0 - cgroup\n - cgroup2\n- cgroup"],
];
for (const [name, text] of EMPTY) {
  Deno.test(`parseLayout() finds no cgroups in ${name}`, () => {
    assertEquals(parseLayout(text), { version: undefined, hierarchies: [] });
  });
}

Deno.test("parseLayout() reads octal escapes", () => {
  const line = "30 20 0:27 / /mnt/my\\040cgroup rw - cgroup2 cgroup2 rw";
  assertEquals(parseLayout(line).hierarchies[0].mountPoint, "/mnt/my cgroup");
});

Deno.test("hierarchyOf() finds a controller among others, on v2 always the tree", () => {
  const hybrid = parseLayout(HYBRID);
  assertEquals(hierarchyOf(hybrid, "cpuacct")?.name, "cpu,cpuacct");
  assertEquals(hierarchyOf(hybrid, "pids"), undefined);
  assertEquals(hierarchyOf(parseLayout(V2), "pids")?.mountPoint, "/sys/fs/cgroup");
});

const PLACES: [root: string, path: string, want: string][] = [
  ["/", "/diplodock/a", "/m/diplodock/a"],
  ["/", "/", "/m"],
  ["/docker/x", "/docker/x/diplodock/a", "/m/diplodock/a"],
  ["/docker/x", "/docker/x", "/m"],
  ["/docker/x", "/docker/xy", "/m/docker/xy"],
  ["/docker/x", "/diplodock/a", "/m/diplodock/a"],
];
for (const [root, path, want] of PLACES) {
  Deno.test(`cgroupDirectory() puts ${path} into a mount of ${root}`, () => {
    const at: Hierarchy = { name: "m", mountPoint: "/m", root, version: 1, controllers: [] };
    assertEquals(cgroupDirectory(at, path), want);
  });
}

Deno.test("parseOwnCgroups() reads controllers, named hierarchies and v2", () => {
  const text = "9:name=systemd:/user.slice\n4:cpu,cpuacct:/a:b\n0::/init.scope\nrubbish\n";
  assertEquals(parseOwnCgroups(text), [
    { controllers: ["name=systemd"], path: "/user.slice" },
    { controllers: ["cpu", "cpuacct"], path: "/a:b" },
    { controllers: [], path: "/init.scope" },
  ]);
});

const PATHS: [path: string, want: string][] = [
  ["/a/b", "/a/b"],
  ["a//b/", "/a/b"],
  ["/a/./b", "/a/b"],
  ["/../../a/../b", "/b"],
  ["..", "/"],
  ["/a:b/c", "/a:b/c"],
];
for (const [path, want] of PATHS) {
  Deno.test(`normalizeCgroupPath() makes ${want} of ${path}`, () => {
    assertEquals(normalizeCgroupPath(path), want);
  });
}

Deno.test("normalizeCgroupPath() refuses systemd's form and what is no path", () => {
  assertThrows(() => normalizeCgroupPath("system.slice:docker:ab"), UserError, "systemd");
  assertThrows(() => normalizeCgroupPath("/a\0b"), UserError, "not a path");
});

const SLICES: [name: string, want: string | undefined][] = [
  ["machine.slice", "/machine.slice"],
  ["user-1000.slice", "/user.slice/user-1000.slice"],
  ["a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice"],
  ["-.slice", "/"],
  ["/a/b.slice", undefined],
  ["a/b.slice", undefined],
  ["mine", undefined],
];
for (const [name, want] of SLICES) {
  Deno.test(`slicePath() of "${name}"`, () => assertEquals(slicePath(name), want));
}

for (const name of ["a--b.slice", "-a.slice", "a-.slice", ".slice"]) {
  Deno.test(`slicePath() refuses "${name}"`, () => {
    assertThrows(() => slicePath(name), UserError, `invalid slice name: ${name}`);
  });
}
