import { assert, assertEquals } from "@std/assert";
import { checkSpec } from "../../../src/runtime/check.ts";
import type { Spec, SpecMount } from "../../../src/runtime/spec_types.ts";
import { specText } from "../../../src/engine/container_documents.ts";
import { hasInit, toSpec } from "../../../src/engine/bundle.ts";
import type { BundleContext, LocatedMount } from "../../../src/engine/bundle_context.ts";
import { completeRequest } from "../../../src/engine/complete.ts";
import { emptyContainerConfig, emptyHostConfig } from "../../../src/engine/host_config.ts";
import { parseBind, planMount } from "../../../src/engine/mount_plan.ts";
import type { ContainerConfig, HostConfig } from "../../../src/engine/types.ts";
import { assertGolden } from "../../lib/golden.ts";

const ID = "0123456789abcdef".repeat(4);

const CONTEXT: BundleContext = {
  id: ID,
  root: {
    path: `/run/d/${ID}/root`,
    overlay: { lower: ["/l/2", "/l/1"], upper: "/u", work: "/w" },
  },
  user: { uid: 0, gid: 0, additionalGids: [0], home: "/root" },
  files: { resolvConf: "/c/resolv.conf", hostname: "/c/hostname", hosts: "/c/hosts" },
  mounts: [],
  devices: [],
  hostDevices: [],
  blockDevices: {},
  join: {},
  cgroupsPath: `/diplodock/${ID}`,
};

interface Change {
  config?: Partial<ContainerConfig>;
  host?: Partial<HostConfig>;
  context?: Partial<BundleContext>;
}

function spec({ config = {}, host = {}, context = {} }: Change = {}) {
  const request = completeRequest(
    {
      ...emptyContainerConfig("busybox"),
      Cmd: ["sh"],
      ...config,
      HostConfig: { ...emptyHostConfig(), ...host },
      NetworkingConfig: { EndpointsConfig: {} },
      Name: "",
      Platform: null,
    },
    {},
    { id: ID, hostHostname: "machine", cgroupVersion: 1, thermalPaths: [] },
  );
  const made = toSpec(request, request.HostConfig, { ...CONTEXT, ...context });
  checkSpec(made); // whatever is made here, the runtime takes
  return made;
}

const located = (text: string): LocatedMount => {
  const mount = parseBind(text);
  return { ...mount, hostPath: mount.type === "bind" ? mount.source : `/vol/${mount.source}` };
};

function mountAt(change: Change, destination: string): SpecMount | undefined {
  const found = spec(change).mounts!.filter((mount) => mount.destination === destination);
  assert(found.length <= 1, `${found.length} mounts at ${destination}`);
  return found[0];
}

const types = (change: Change) => spec(change).linux!.namespaces!.map(({ type }) => type);

Deno.test("toSpec() describes the smallest container as the golden file has it", () => {
  assertGolden("bundle_smallest.json", JSON.stringify(spec(), null, 2) + "\n");
});

Deno.test("toSpec() describes a container with everything as the golden file has it", () => {
  const everything = spec({
    config: {
      Hostname: "web",
      Domainname: "example.org",
      Tty: true,
      Env: ["A=1", "PATH=/bin"],
      Entrypoint: ["/entry"],
      Cmd: ["a", "b"],
      WorkingDir: "/srv",
    },
    host: {
      ConsoleSize: [24, 80],
      CapAdd: ["CAP_NET_ADMIN"],
      CapDrop: ["CAP_MKNOD"],
      CgroupnsMode: "private",
      IpcMode: "shareable",
      ReadonlyRootfs: true,
      SecurityOpt: ["no-new-privileges"],
      Sysctls: { "net.core.somaxconn": "1024" },
      ShmSize: 1 << 20,
      Memory: 64 << 20,
      MemoryReservation: 32 << 20,
      MemorySwappiness: 10,
      NanoCpus: 1.5e9,
      CpuShares: 512,
      CpusetCpus: "0-1",
      PidsLimit: 100,
      BlkioWeight: 300,
      BlkioDeviceReadBps: [{ Path: "/dev/sda", Rate: 1 << 20 }],
      DeviceCgroupRules: ["c 42:* rm"],
      OomScoreAdj: 100,
      Ulimits: [{ Name: "nofile", Soft: 1024, Hard: -1 }],
      Annotations: { "org.example": "x" },
      Init: true,
      Diplodock: { Umask: 0o27, PreserveFds: 1, Strict: true },
    },
    context: {
      user: { uid: 1000, gid: 100, additionalGids: [100, 44], home: "/home/me" },
      files: { ...CONTEXT.files, shm: "/s/shm", localtime: "/z/Berlin" },
      mounts: [
        located("data:/srv/data/deep:ro"),
        located("/host:/srv:rslave"),
        { ...planMount({ Type: "tmpfs", Target: "/tmp" }), hostPath: "" },
      ],
      devices: [{ path: "/dev/fuse", type: "c", major: 10, minor: 229, access: "rw" }],
      blockDevices: { "/dev/sda": { major: 8, minor: 0 } },
      join: { network: "/run/d/netns" },
      seccomp: { defaultAction: "SCMP_ACT_ERRNO" },
      apparmor: "docker-default",
    },
  });
  assertGolden("bundle_everything.json", JSON.stringify(everything, null, 2) + "\n");
});

const NAMESPACES: [name: string, change: Change, want: string][] = [
  ["by default", {}, "mount network uts pid ipc"],
  ["with the host's network", { host: { NetworkMode: "host" } }, "mount uts pid ipc"],
  ["with the host's processes", { host: { PidMode: "host" } }, "mount network uts ipc"],
  ["with the host's IPC", { host: { IpcMode: "host" } }, "mount network uts pid"],
  ["with the host's names", { host: { UTSMode: "host" } }, "mount network pid ipc"],
  [
    "with a cgroup namespace",
    { host: { CgroupnsMode: "private" } },
    "mount network uts pid ipc cgroup",
  ],
  ["with a user namespace", {
    context: {
      userns: {
        uids: [{ containerID: 0, hostID: 100000, size: 65536 }],
        gids: [{ containerID: 0, hostID: 100000, size: 65536 }],
      },
    },
  }, "mount network uts pid ipc user"],
];
for (const [name, change, want] of NAMESPACES) {
  Deno.test(`toSpec() has the right namespaces ${name}`, () => {
    assertEquals(types(change).join(" "), want);
  });
}

Deno.test("toSpec() joins namespaces by their paths", () => {
  const change = { host: { PidMode: "container:c" }, context: { join: { pid: "/proc/7/ns/pid" } } };
  assertEquals(
    spec(change).linux!.namespaces!.find(({ type }) => type === "pid"),
    { type: "pid", path: "/proc/7/ns/pid" },
  );
});

Deno.test("toSpec() names only a UTS namespace of its own", () => {
  assertEquals(spec().hostname, "0123456789ab");
  assertEquals(spec({ host: { UTSMode: "host" } }).hostname, undefined);
  const joined = { host: { UTSMode: "container:c" }, context: { join: { uts: "/proc/7/ns/uts" } } };
  assertEquals(spec(joined).hostname, undefined);
});

Deno.test("toSpec() sets no sysctl in a network that is not the container's", () => {
  assertEquals(spec({ host: { NetworkMode: "host" } }).linux!.sysctl, {});
  assertEquals(Object.keys(spec().linux!.sysctl!).length, 2);
});

Deno.test("toSpec() opens everything to a privileged container", () => {
  const hostDevices = [{ path: "/dev/sda", type: "b", major: 8, minor: 0 }];
  const { process, linux, mounts } = spec({
    host: { Privileged: true },
    context: { hostDevices },
  });
  assertEquals(process!.capabilities!.bounding!.length, 41);
  assertEquals(linux!.devices, hostDevices);
  assertEquals(linux!.resources!.devices, [{ allow: true, access: "rwm" }]);
  assertEquals([linux!.maskedPaths, linux!.readonlyPaths], [undefined, undefined]);
  for (const target of ["/sys", "/sys/fs/cgroup"]) {
    const options = mounts!.find(({ destination }) => destination === target)!.options!;
    assert(!options.includes("ro"), `${target} is read-only`);
  }
});

Deno.test("toSpec() asks for an init only as PID 1 of the container's own", () => {
  const init = spec({ host: { Init: true } });
  assertEquals([init.diplodock!.reaper, init.process!.args], [true, ["sh"]]);
  assertEquals(spec({ host: { Init: true, PidMode: "host" } }).diplodock!.reaper, undefined);
  assertEquals(hasInit({ ...emptyHostConfig(), Init: true, PidMode: "container:c" }), false);
  assertEquals(hasInit({ ...emptyHostConfig(), Init: false }), false);
});

const SHM: [name: string, change: Change, want: string | undefined][] = [
  ["a tmpfs of the right size", { host: { ShmSize: 1024 } }, "shm size=1024"],
  ["the host's", { host: { IpcMode: "host" } }, "/dev/shm "],
  ["nothing", { host: { IpcMode: "none" } }, undefined],
  [
    "one that can be shared",
    { host: { IpcMode: "shareable" }, context: { files: { shm: "/s" } } },
    "/s ",
  ],
  ["the user's", { context: { mounts: [located("/mine:/dev/shm")] } }, "/mine "],
  ["what a /dev of the user's has", { context: { mounts: [located("/mine:/dev")] } }, undefined],
];
for (const [name, change, want] of SHM) {
  Deno.test(`toSpec() has at /dev/shm ${name}`, () => {
    const mount = mountAt(change, "/dev/shm");
    const size = mount?.options?.find((word) => word.startsWith("size=")) ?? "";
    assertEquals(mount && `${mount.source} ${size}`, want);
  });
}

Deno.test("toSpec() mounts shallow targets before deep ones", () => {
  const mounts = ["/a:/x/y/z", "/b:/x", "/c:/x/y"].map(located);
  const order = spec({ context: { mounts } }).mounts!
    .map(({ destination }) => destination).filter((path) => path.startsWith("/x"));
  assertEquals(order, ["/x", "/x/y", "/x/y/z"]);
});

Deno.test("toSpec() leaves a file of the engine out where the user mounted his own", () => {
  const change = { context: { mounts: [located("/my/hosts:/etc/hosts")] } };
  assertEquals(mountAt(change, "/etc/hosts")!.source, "/my/hosts");
});

const OPTIONS: [name: string, mount: LocatedMount, want: string][] = [
  ["a writable bind", located("/a:/m"), "rbind rprivate"],
  ["a read-only bind, all the way down", located("/a:/m:ro"), "rbind ro rro rprivate"],
  ["a bind that passes mounts on", located("/a:/m:rshared"), "rbind rshared"],
  ["a bind read-only at the top", {
    ...planMount({
      Type: "bind",
      Source: "/a",
      Target: "/m",
      ReadOnly: true,
      BindOptions: { NonRecursive: true },
    }),
    hostPath: "/a",
  }, "bind ro rprivate"],
  ["a tmpfs", {
    ...planMount({ Type: "tmpfs", Target: "/m", TmpfsOptions: { SizeBytes: 4096 } }),
    hostPath: "",
  }, "noexec nosuid nodev size=4096 rprivate"],
];
for (const [name, mount, want] of OPTIONS) {
  Deno.test(`toSpec() writes the options of ${name}`, () => {
    assertEquals(mountAt({ context: { mounts: [mount] } }, "/m")!.options!.join(" "), want);
  });
}

const PROPAGATIONS: [binds: string[], want: string | undefined][] = [
  [["/a:/b"], undefined],
  [["/a:/b:rslave"], "rslave"],
  [["/a:/b:slave", "/c:/d:shared"], "shared"],
];
for (const [binds, want] of PROPAGATIONS) {
  Deno.test(`toSpec() lets the root answer as ${binds.join(" and ")} need it`, () => {
    const mounts = binds.map(located);
    assertEquals(spec({ context: { mounts } }).linux!.rootfsPropagation, want);
  });
}

Deno.test("toSpec() maps the owners of a bind only inside a user namespace", () => {
  const mounts = [located("/a:/m:idmap")];
  const map = [{ containerID: 0, hostID: 100000, size: 10 }];
  assertEquals(mountAt({ context: { mounts } }, "/m")!.uidMappings, undefined);
  const mapped = mountAt({ context: { mounts, userns: { uids: map, gids: map } } }, "/m")!;
  assertEquals([mapped.options!.includes("idmap"), mapped.uidMappings], [true, map]);
});

Deno.test("toSpec() gives terminals to a group only where it is mapped", () => {
  const pts = (size: number) => {
    const map = [{ containerID: 0, hostID: 1000, size }];
    return mountAt({ context: { userns: { uids: map, gids: map } } }, "/dev/pts")!.options!;
  };
  assertEquals(pts(1).includes("gid=5"), false);
  assertEquals(pts(65536).includes("gid=5"), true);
});

Deno.test("specText() writes no limit as the specification has it", () => {
  const Ulimits = [{ Name: "core", Soft: 0, Hard: -1 }];
  const text = specText(spec({ host: { Ulimits } }));
  assert(text.includes('"soft":0,"hard":18446744073709551615'), text);
  const read: Spec = JSON.parse(text);
  assertEquals(specText(read), text);
  assertEquals(JSON.parse(specText(spec())), JSON.parse(JSON.stringify(spec())));
});
