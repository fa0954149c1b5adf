import { assertEquals, assertThrows } from "@std/assert";
import {
  absoluteMounts,
  parseMount,
  parseTmpfs,
  parseVolumes,
} from "../../../../src/cli/flags/mounts.ts";
import type { Mount } from "../../../../src/engine/types.ts";

const VOLUMES: [spec: string, binds: string[], anonymous: string[]][] = [
  ["name:/c", ["name:/c"], []],
  ["/abs:/c:ro", ["/abs:/c:ro"], []],
  ["./rel:/c", ["/home/me/rel:/c"], []],
  ["../a/./b:/c:z", ["/home/a/b:/c:z"], []],
  [".:/c", ["/home/me:/c"], []],
  ["~/x:/c", ["~/x:/c"], []],
  ["c:/x", ["c:/x"], []],
  ["/c", [], ["/c"]],
];
for (const [spec, binds, anonymous] of VOLUMES) {
  Deno.test(`parseVolumes() sorts ${spec}`, () => {
    assertEquals(parseVolumes([spec], "/home/me"), { binds, anonymous });
  });
}

Deno.test("parseVolumes() keeps one of two that are the same", () => {
  assertEquals(parseVolumes(["a:/b", "a:/b"], "/"), { binds: ["a:/b"], anonymous: [] });
});

const BAD_VOLUMES: [spec: string, error: string][] = [
  ["", "invalid empty volume spec"],
  [":::", "invalid spec: :::: empty section between colons"],
  ["a:", "invalid spec: a:: empty section between colons"],
  ["/a:/b:ro:/d", "invalid spec: /a:/b:ro:/d: too many colons"],
  ["/a::ro:/d", "invalid spec: /a::ro:/d: empty section between colons"],
];
for (const [spec, error] of BAD_VOLUMES) {
  Deno.test(`parseVolumes() refuses "${spec}"`, () => {
    assertEquals(assertThrows(() => parseVolumes([spec], "/")).message, error);
  });
}

Deno.test("parseTmpfs() keeps the options of the last one at a path", () => {
  assertEquals(parseTmpfs(["/a", "/b:size=1k", "/b:size=2k"]), { "/a": "", "/b": "size=2k" });
});

const MOUNTS: [text: string, want: Mount][] = [
  ["src=v,dst=/c", { Type: "volume", Source: "v", Target: "/c" }],
  ["type=bind,source=./a,target=/b,readonly", {
    Type: "bind",
    Source: "./a",
    Target: "/b",
    ReadOnly: true,
  }],
  ["TYPE=Bind,src=/a,destination=/b,ro=false,consistency=Cached", {
    Type: "bind",
    Source: "/a",
    Target: "/b",
    ReadOnly: false,
    Consistency: "cached",
  }],
  ["type=bind,src=/a,dst=/b,bind-propagation=RSLAVE,bind-recursive=disabled", {
    Type: "bind",
    Source: "/a",
    Target: "/b",
    BindOptions: { Propagation: "rslave", NonRecursive: true },
  }],
  ["type=bind,src=/a,dst=/b,ro,bind-recursive=readonly,bind-propagation=rprivate", {
    Type: "bind",
    Source: "/a",
    Target: "/b",
    ReadOnly: true,
    BindOptions: { ReadOnlyForceRecursive: true, Propagation: "rprivate" },
  }],
  ['dst=/x,volume-nocopy,volume-label=a=b,volume-driver=local,"volume-opt=o=a,b"', {
    Type: "volume",
    Target: "/x",
    VolumeOptions: {
      DriverConfig: { Name: "local", Options: { o: "a,b" } },
      NoCopy: true,
      Labels: { a: "b" },
    },
  }],
  ["type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1777", {
    Type: "tmpfs",
    Target: "/t",
    TmpfsOptions: { SizeBytes: 64 << 20, Mode: 0o1777 },
  }],
  ["type=image,src=busybox,target=/x,image-subpath=a/b", {
    Type: "image",
    Source: "busybox",
    Target: "/x",
    ImageOptions: { Subpath: "a/b" },
  }],
];
for (const [text, want] of MOUNTS) {
  Deno.test(`parseMount() reads ${text}`, () => assertEquals(parseMount(text), want));
}

const BAD_MOUNTS: [text: string, error: string][] = [
  ["type=bind", "target is required"],
  ["type=,target=/x", "type is required"],
  ["foo=1", "unexpected key 'foo' in 'foo=1'"],
  ["constructor=1", "unexpected key 'constructor' in 'constructor=1'"],
  ["x", "invalid field 'x' must be a key=value pair"],
  ["type=volume,target=/x,readonly=foo", "invalid value for readonly: foo"],
  ["type=tmpfs,target=/x,tmpfs-mode=9", "invalid value for tmpfs-mode: 9"],
  ["type=tmpfs,target=/x,tmpfs-size=9y", "invalid value for tmpfs-size: 9y"],
  [
    "type=tmpfs,target=/x,bind-propagation=shared",
    "cannot mix 'bind-*' options with mount type 'tmpfs'",
  ],
  ["type=bind,target=/x,tmpfs-size=1", "cannot mix 'tmpfs-*' options with mount type 'bind'"],
  [
    "type=bind,src=/a,target=/b,bind-recursive=foo",
    'invalid value for bind-recursive: foo (must be "enabled", "disabled", "writable", ' +
    'or "readonly")',
  ],
  [
    "type=bind,src=/a,target=/b,bind-recursive=writable",
    "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction",
  ],
  [
    "type=bind,src=/a,target=/b,ro,bind-recursive=readonly",
    "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' " +
    "to be specified in conjunction",
  ],
];
for (const [text, error] of BAD_MOUNTS) {
  Deno.test(`parseMount() refuses ${text}`, () => {
    assertEquals(assertThrows(() => parseMount(text)).message, error);
  });
}

Deno.test("absoluteMounts() resolves sources that start with a dot, and no others", () => {
  const mounts = ["src=./a,dst=/x", "src=a,dst=/y", "dst=/z"].map(parseMount);
  assertEquals(
    absoluteMounts(mounts, "/home/me").map(({ Source }) => Source),
    ["/home/me/a", "a", undefined],
  );
});
