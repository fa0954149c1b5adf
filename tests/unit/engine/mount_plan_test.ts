import { assertEquals, assertThrows } from "@std/assert";
import { emptyContainerConfig, emptyHostConfig } from "../../../src/engine/host_config.ts";
import {
  parseBind,
  parseVolumesFrom,
  planMount,
  planMounts,
  toMountPoint,
} from "../../../src/engine/mount_plan.ts";
import { parseTmpfsOptions, tmpfsWords } from "../../../src/engine/tmpfs_options.ts";
import type { CreateRequest, HostConfig, Mount, MountPoint } from "../../../src/engine/types.ts";

function request(host: Partial<HostConfig>, volumes: string[] = []): CreateRequest {
  return {
    ...emptyContainerConfig("x"),
    Volumes: Object.fromEntries(volumes.map((path) => [path, {}])),
    HostConfig: { ...emptyHostConfig(), ...host },
    NetworkingConfig: { EndpointsConfig: {} },
    Name: "",
    Platform: null,
  };
}

const BINDS: [text: string, want: string][] = [
  ["/a:/b", "bind /a /b rw rprivate"],
  ["/a/../c/:/b//d", "bind /c /b/d rw rprivate"],
  ["/a:/b:ro", "bind /a /b ro rprivate"],
  ["/a:/b:rslave,z", "bind /a /b rw rslave"],
  ["name:/b:nocopy", "volume name /b rw "],
  ["/b", "volume  /b rw "],
];
for (const [text, want] of BINDS) {
  Deno.test(`parseBind() reads ${text}`, () => {
    const { type, source, target, readonly, propagation } = parseBind(text);
    assertEquals([type, source, target, readonly ? "ro" : "rw", propagation].join(" "), want);
  });
}

const BAD_BINDS: [text: string, error: string][] = [
  ["/d:rw", "invalid volume specification: '/d:rw'"],
  ["/a:/b:ro:x", "invalid volume specification: '/a:/b:ro:x'"],
  [":/b", "invalid volume specification: ':/b'"],
  ["", "invalid volume specification: ''"],
  [
    "b",
    "invalid volume specification: 'b': invalid mount config for type \"volume\": " +
    "invalid mount path: 'b' mount path must be absolute",
  ],
  ["/a:/b:zz", "invalid mode: zz"],
  ["/a:/b:ro,rw", "invalid mode: ro,rw"],
  ["/a:/b:z,Z", "invalid mode: z,Z"],
  [
    "/a:b",
    "invalid volume specification: '/a:b': invalid mount config for type \"bind\": " +
    "invalid mount path: 'b' mount path must be absolute",
  ],
  [
    "/a:/",
    "invalid volume specification: '/a:/': invalid mount config for type \"bind\": " +
    "invalid specification: destination can't be '/'",
  ],
  ["a:/b", "volume name is too short, names should be at least two alphanumeric characters"],
  [
    "~/a:/b",
    'create ~/a: "~/a" includes invalid characters for a local volume name, only ' +
    '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, ' +
    "use absolute path",
  ],
  [
    "/a:/b:nocopy",
    "invalid volume specification: '/a:/b:nocopy': invalid mount config for type \"bind\": " +
    "field VolumeOptions must not be specified",
  ],
];
for (const [text, error] of BAD_BINDS) {
  Deno.test(`parseBind() refuses ${text}`, () => {
    assertEquals(assertThrows(() => parseBind(text)).message, error);
  });
}

const BAD_MOUNTS: [mount: Mount, why: string][] = [
  [{ Type: "bind", Target: "/b" }, "field Source must not be empty"],
  [
    { Type: "bind", Source: "a", Target: "/b" },
    "invalid mount path: 'a' mount path must be absolute",
  ],
  [
    { Type: "bind", Source: "/a", Target: "b" },
    "invalid mount path: 'b' mount path must be absolute",
  ],
  [
    { Type: "bind", Source: "/a", Target: "/b", BindOptions: { Propagation: "x" } },
    "invalid propagation mode: x",
  ],
  [
    { Type: "volume", Target: "/b", ReadOnly: true },
    "must not set ReadOnly mode when using anonymous volumes",
  ],
  [
    { Type: "volume", Source: "vol", Target: "/b", VolumeOptions: { Subpath: "../x" } },
    "subpath must be a relative path within the volume",
  ],
  [{ Type: "tmpfs", Source: "x", Target: "/b" }, "field Source must not be specified"],
  [{ Type: "npipe", Source: "x", Target: "/b" }, "mount type unknown"],
];
for (const [mount, why] of BAD_MOUNTS) {
  Deno.test(`planMount() refuses a ${mount.Type}: ${why}`, () => {
    assertEquals(
      assertThrows(() => planMount(mount)).message,
      `invalid mount config for type "${mount.Type}": ${why}`,
    );
  });
}

const REACH: [options: Mount["BindOptions"], want: [recursive: boolean, reach: string]][] = [
  [undefined, [true, "all"]],
  [{ NonRecursive: true }, [false, "top"]],
  [{ ReadOnlyNonRecursive: true }, [true, "top"]],
  [{ ReadOnlyForceRecursive: true }, [true, "force"]],
];
for (const [options, want] of REACH) {
  Deno.test(`planMount() is read-only as far as ${JSON.stringify(options)} says`, () => {
    const mount = planMount({
      Type: "bind",
      Source: "/a",
      Target: "/b",
      ReadOnly: true,
      ...(options && { BindOptions: options }),
    });
    assertEquals([mount.recursive, mount.readonlyReach], want);
  });
}

const targets = (host: Partial<HostConfig>, volumes: string[] = [], others: MountPoint[] = []) =>
  planMounts(request(host, volumes), () => others).map(({ type, source, target }) =>
    `${type} ${source} ${target}`
  );

Deno.test("planMounts() puts an anonymous volume only where nothing else is", () => {
  assertEquals(targets({ Binds: ["/a:/data"] }, ["/data/", "/other"]), [
    "bind /a /data",
    "volume  /other",
  ]);
});

Deno.test("planMounts() refuses two mounts at one place", () => {
  for (
    const host of [
      { Binds: ["/a:/d", "/b:/d/"] },
      { Binds: ["/a:/d"], Mounts: [{ Type: "tmpfs" as const, Target: "/d" }] },
      { Binds: ["/a:/d"], Tmpfs: { "/d": "" } },
    ]
  ) {
    assertEquals(assertThrows(() => targets(host)).message, "Duplicate mount point: /d");
  }
});

const OTHER: MountPoint = {
  Type: "volume",
  Name: "vol",
  Source: "/var/vol",
  Destination: "/d",
  Driver: "local",
  Mode: "",
  RW: true,
  Propagation: "",
};

Deno.test("planMounts() takes over another container's mounts, its own ones win", () => {
  assertEquals(targets({ VolumesFrom: ["c"] }, [], [OTHER]), ["volume vol /d"]);
  assertEquals(targets({ VolumesFrom: ["c"], Binds: ["/a:/d"] }, [], [OTHER]), ["bind /a /d"]);
});

Deno.test("planMounts() makes taken-over mounts read-only when asked, never writable", () => {
  const readonly = (mode: string, RW: boolean) =>
    planMounts(request({ VolumesFrom: [`c${mode}`] }), () => [{ ...OTHER, RW }])[0].readonly;
  assertEquals(readonly(":ro", true), true);
  assertEquals(readonly(":rw", false), true);
  assertEquals(readonly("", true), false);
});

Deno.test("parseVolumesFrom() refuses propagation, and nothing", () => {
  assertEquals(parseVolumesFrom("c:ro"), { container: "c", mode: "ro" });
  assertEquals(
    assertThrows(() => parseVolumesFrom("c:shared")).message,
    "invalid mode: shared",
  );
  assertEquals(
    assertThrows(() => parseVolumesFrom("")).message,
    "volumes-from specification cannot be an empty string",
  );
});

Deno.test("toMountPoint() shows a volume as docker's inspect does", () => {
  assertEquals(toMountPoint(parseBind("name:/b:ro"), "/var/lib/x/name/data"), {
    Type: "volume",
    Name: "name",
    Source: "/var/lib/x/name/data",
    Destination: "/b",
    Driver: "local",
    Mode: "ro",
    RW: false,
    Propagation: "",
  });
});

const TMPFS: [text: string, want: string[]][] = [
  ["", ["noexec", "nosuid", "nodev"]],
  ["size=64k,mode=1777", ["noexec", "nosuid", "nodev", "size=64k", "mode=1777"]],
  ["exec,suid", ["nodev", "exec", "suid"]],
  ["rw,noexec", ["nosuid", "nodev", "rw", "noexec"]],
  ["size=1k,size=2k", ["noexec", "nosuid", "nodev", "size=2k"]],
];
for (const [text, want] of TMPFS) {
  Deno.test(`parseTmpfsOptions() lays "${text}" over the defaults`, () => {
    assertEquals(parseTmpfsOptions(text), want);
  });
}

const BAD_TMPFS: [text: string, error: string][] = [
  ["foo=1", 'invalid tmpfs option ["foo" "1"]'],
  ["foo", 'invalid tmpfs option ["foo"]'],
  ["size", 'invalid tmpfs option ["size"]'],
];
for (const [text, error] of BAD_TMPFS) {
  Deno.test(`parseTmpfsOptions() refuses "${text}"`, () => {
    assertEquals(assertThrows(() => parseTmpfsOptions(text)).message, error);
  });
}

Deno.test("tmpfsWords() writes the mode in octal", () => {
  assertEquals(tmpfsWords({ SizeBytes: 1024, Mode: 0o700 }, true), [
    "noexec",
    "nosuid",
    "nodev",
    "ro",
    "mode=700",
    "size=1024",
  ]);
});
