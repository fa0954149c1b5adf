/**
 * A virtual machine with a kernel of its own, for what this machine's kernel cannot show: cgroup v2,
 * controllers that are not mounted here. A kernel of Debian's (apt-get download, nothing is
 * installed) under qemu without KVM; the root file system is an initramfs with chosen programs of
 * this machine. No network.
 */
import { cpioArchive, type CpioEntry } from "./cpio.ts";

/** Where the kernel is kept between runs. */
const CACHE = Deno.env.get("DIPLODOCK_VM_CACHE") ?? "/var/tmp/diplodock-vm";
/** Debian's packages of the kernel for virtual machines, and of that for every computer. */
const KERNEL_PACKAGES = { cloud: "linux-image-cloud-amd64", full: "linux-image-amd64" } as const;
/** What is unpacked of them, of 400 MB. */
const KERNEL_PARTS = [
  "./boot/vmlinuz-*",
  ...["block", "crypto", "drivers/block", "drivers/infiniband"]
    .concat("drivers/net/dummy.ko", "drivers/net/veth.ko", "fs/overlayfs", "net")
    .map((path) => `./lib/modules/*/kernel/${path}`),
];
const QEMU = "qemu-system-x86_64";

/** A program's exit code and output; undefined where there is no such program. */
function command(
  name: string,
  args: string[],
  cwd?: string,
): { code: number; stdout: string } | undefined {
  try {
    const result = new Deno.Command(name, { args, cwd, stderr: "null" }).outputSync();
    return { code: result.code, stdout: new TextDecoder().decode(result.stdout) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** "cloud" boots and runs faster; "full" has more modules. */
export type KernelKind = keyof typeof KERNEL_PACKAGES;

/** A kernel and where its modules are. */
interface Kernel {
  image: string;
  modules: string;
}

/** The kernel, downloaded at the first call; or why there is none. */
function findKernel(kind: KernelKind): Kernel | string {
  const packageName = KERNEL_PACKAGES[kind];
  const unpacked = `${CACHE}/${packageName}`;
  const found = kernelIn(unpacked) ?? download(packageName, unpacked);
  if (typeof found !== "string" || Deno.uid() !== 0) return found;
  // A machine may come without the lists, or with old ones.
  command("apt-get", ["update", "-qq"]);
  return download(packageName, unpacked);
}

/** Downloads the kernel that `packageName` stands for and unpacks it to `unpacked`. */
function download(packageName: string, unpacked: string): Kernel | string {
  const depends = command("apt-cache", ["depends", packageName]);
  const name = /Depends: (linux-image-\S+)/.exec(depends?.stdout ?? "")?.[1];
  if (name === undefined) return `no package ${packageName} in apt's lists`;
  Deno.mkdirSync(CACHE, { recursive: true });
  const work = Deno.makeTempDirSync({ dir: CACHE });
  try {
    if (command("apt-get", ["download", name], work)?.code !== 0) return `cannot download ${name}`;
    const file = [...Deno.readDirSync(work)].find((entry) => entry.name.endsWith(".deb"))!.name;
    Deno.mkdirSync(`${work}/root`);
    const script = 'dpkg-deb --fsys-tarfile "$0" | tar -x -C root --wildcards "$@"';
    if (command("sh", ["-c", script, file, ...KERNEL_PARTS], work)?.code !== 0) {
      return `cannot unpack ${file}`;
    }
    Deno.renameSync(`${work}/root`, unpacked);
  } catch (error) {
    // Another test file may have been faster.
    if (kernelIn(unpacked) === undefined) throw error;
  } finally {
    Deno.removeSync(work, { recursive: true });
  }
  return kernelIn(unpacked) ?? `no kernel in ${name}`;
}

function kernelIn(directory: string): Kernel | undefined {
  try {
    const image = [...Deno.readDirSync(`${directory}/boot`)]
      .find(({ name }) => name.startsWith("vmlinuz-"));
    if (image === undefined) return undefined;
    const version = image.name.slice("vmlinuz-".length);
    return {
      image: `${directory}/boot/${image.name}`,
      modules: `${directory}/lib/modules/${version}/kernel`,
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Why no virtual machine can be started here, or undefined. */
export function whyNoMachine(kind: KernelKind = "cloud"): string | undefined {
  if (Deno.build.arch !== "x86_64") return "the kernel for it is x86_64";
  if (command(QEMU, ["--version"]) === undefined) return `${QEMU} is not installed`;
  const kernel = findKernel(kind);
  return typeof kernel === "string" ? kernel : undefined;
}

/** How cgroups are mounted: one tree, or a hierarchy for each controller that the kernel has. */
export type Hierarchies = "v1" | "v2";

/** What is in the machine beside the kernel. */
export interface MachineContents {
  /** Programs of this machine, by their paths; the libraries they need come with them. */
  programs: readonly string[];
  /** Files and directories of this machine: from path to path inside. */
  copies: Readonly<Record<string, string>>;
  /** Kernel modules in the order of loading: paths below lib/modules/…/kernel. */
  modules: readonly string[];
  /** "v2" where absent. */
  hierarchies?: Hierarchies;
  /** Process 1 is systemd, which starts the script as a service. */
  systemd?: boolean;
  /** "cloud" where absent. */
  kernel?: KernelKind;
  /** What /bin/sh, one of the programs, runs once /proc, /sys, /dev, /tmp and cgroups are mounted. */
  script: string;
}

/** How the run ended. `code` is the script's, undefined if the machine stopped without one. */
export interface MachineRun {
  code: number | undefined;
  output: string;
}

// pivot_root(2) refuses the kernel's first root file system: the same files as a mount on top of it.
const INIT = `#!/bin/busybox sh
/bin/busybox mkdir /above
/bin/busybox mount -o bind / /above
cd /above
/bin/busybox mount -o move . /
exec /bin/busybox chroot . /bin/busybox sh /start
`;

// What came from this machine's /tmp (a checkout may be there) is not covered by a new one.
const START = `/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mkdir -p /dev/pts /dev/shm /dev/mqueue
/bin/busybox mount -t devpts -o ptmxmode=666 devpts /dev/pts
/bin/busybox mount -t tmpfs tmpfs /dev/shm
[ -n "$(/bin/busybox ls /tmp)" ] || /bin/busybox mount -t tmpfs tmpfs /tmp
/bin/sh /hierarchies
for module in $(/bin/busybox cat /modules/order); do /bin/busybox insmod /modules/$module; done
[ ! -e /sbin/init ] || exec /sbin/init
exec /bin/busybox sh /finish
`;

const FINISH = `export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C
/bin/sh /script
echo "MACHINE-EXIT $?"
/bin/busybox poweroff -f
`;

/** Where Debian has systemd, and what it starts here: nothing but the script. */
const SYSTEMD = "/lib/systemd/systemd";
const SYSTEMD_UNITS: Readonly<Record<string, string>> = {
  // What other units wait for is there at once.
  ...Object.fromEntries(
    ["sysinit", "basic", "shutdown", "network-online", "multi-user"]
      .map((name) => [`${name}.target`, "[Unit]\nDefaultDependencies=no\n"]),
  ),
  "default.target": `[Unit]
DefaultDependencies=no
Requires=script.service
`,
  "script.service": `[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
TimeoutStartSec=infinity
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/busybox sh /finish
`,
};

const HIERARCHIES: Readonly<Record<Hierarchies, string>> = {
  v2: "/bin/busybox mount -t cgroup2 cgroup2 /sys/fs/cgroup\n",
  v1: `/bin/busybox mount -t tmpfs tmpfs /sys/fs/cgroup
/bin/busybox sed '/^#/d; s/\t.*//' /proc/cgroups | while read -r name; do
  /bin/busybox mkdir /sys/fs/cgroup/$name
  /bin/busybox mount -t cgroup -o $name cgroup /sys/fs/cgroup/$name
done
`,
};

/**
 * Boots a machine with `contents`, runs its script and returns what it printed. `timeoutSeconds`
 * bounds the whole run; the machine is killed after that.
 */
export async function runMachine(
  contents: MachineContents,
  timeoutSeconds = 280,
): Promise<MachineRun> {
  const kernel = findKernel(contents.kernel ?? "cloud");
  if (typeof kernel === "string") throw new Error(`Cannot start a machine: ${kernel}`);
  removeStale();
  const initramfs = Deno.makeTempFileSync({ dir: CACHE, suffix: ".cpio" });
  try {
    writeInitramfs(initramfs, kernel, contents);
    return await boot(kernel, initramfs, timeoutSeconds);
  } finally {
    Deno.removeSync(initramfs);
  }
}

/** No run takes an hour. */
const STALE_MS = 3_600_000;

/** Removes what runs that were killed have left. */
function removeStale(): void {
  for (const { name } of Deno.readDirSync(CACHE)) {
    if (!name.endsWith(".cpio")) continue;
    const path = `${CACHE}/${name}`;
    try {
      const age = Date.now() - (Deno.statSync(path).mtime?.getTime() ?? 0);
      if (age > STALE_MS) Deno.removeSync(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // another run was faster
    }
  }
}

async function boot(kernel: Kernel, initramfs: string, timeoutSeconds: number) {
  // deno-fmt-ignore
  const args = [
    "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
    // Emulated code is kept, of which V8 makes much; detours around faults of real processors
    // are not emulated. Together they save a fifth of the time.
    "-accel", "tcg,thread=multi,tb-size=512",
    "-m", "2560", "-smp", "2", "-kernel", kernel.image, "-initrd", initramfs,
    "-append", "console=ttyS0 quiet panic=-1 random.trust_cpu=on mitigations=off",
  ];
  const child = new Deno.Command(QEMU, { args, stdin: "null", stdout: "piped", stderr: "null" })
    .spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutSeconds * 1000);
  const output = await new Response(child.stdout).text();
  await child.status;
  clearTimeout(timer);
  const code = /^MACHINE-EXIT (\d+)/m.exec(output)?.[1];
  return { code: code === undefined ? undefined : Number(code), output };
}

function writeInitramfs(file: string, kernel: Kernel, contents: MachineContents): void {
  const tree = new Tree();
  tree.text("/init", INIT, 0o755);
  tree.text("/start", START, 0o644);
  tree.text("/finish", FINISH, 0o644);
  tree.text("/script", contents.script, 0o644);
  tree.text("/hierarchies", HIERARCHIES[contents.hierarchies ?? "v2"], 0o644);
  const modules = contents.modules.map((path) => path.slice(path.lastIndexOf("/") + 1));
  tree.text("/modules/order", `${modules.join("\n")}\n`, 0o644);
  contents.modules.forEach((path, i) =>
    tree.copy(`${kernel.modules}/${path}`, `/modules/${modules[i]}`)
  );
  if (contents.systemd) {
    tree.program(SYSTEMD);
    tree.copy(SYSTEMD, "/sbin/init");
    // Without one systemd mounts a file of its own on it, below /etc.
    tree.text("/etc/machine-id", `${"0123456789abcdef".repeat(2)}\n`, 0o444);
    for (const [name, text] of Object.entries(SYSTEMD_UNITS)) {
      tree.text(`/etc/systemd/system/${name}`, text, 0o644);
    }
  }
  for (const directory of ["/proc", "/sys", "/dev", "/etc", "/tmp", "/root", "/run", "/var"]) {
    tree.directory(directory);
  }
  tree.program("/bin/busybox");
  for (const program of contents.programs) tree.program(program);
  for (const [from, to] of Object.entries(contents.copies)) tree.copy(from, to);
  using out = Deno.openSync(file, { write: true, truncate: true });
  for (const part of cpioArchive(tree.entries.values())) {
    for (let at = 0; at < part.length;) at += out.writeSync(part.subarray(at));
  }
}

/** The files of an initramfs in the order in which the kernel makes them. */
class Tree {
  readonly entries = new Map<string, CpioEntry>();

  directory(path: string): void {
    const parts = path.split("/").filter((part) => part !== "");
    for (let depth = 1; depth <= parts.length; depth++) {
      const parent = `/${parts.slice(0, depth).join("/")}`;
      if (!this.entries.has(parent)) this.entries.set(parent, { path: parent, kind: "directory" });
    }
  }

  text(path: string, text: string, mode: number): void {
    this.file(path, new TextEncoder().encode(text), mode);
  }

  file(path: string, bytes: Uint8Array, mode: number): void {
    this.directory(path.slice(0, path.lastIndexOf("/")));
    this.entries.set(path, { path, kind: "file", mode, bytes });
  }

  /** A file, or a directory with everything in it; links are followed. */
  copy(from: string, to: string): void {
    const info = Deno.statSync(from);
    if (!info.isDirectory) return this.file(to, Deno.readFileSync(from), info.mode! & 0o7777);
    this.directory(to);
    for (const { name } of Deno.readDirSync(from)) this.copy(`${from}/${name}`, `${to}/${name}`);
  }

  /** A program with the libraries that ldd names, all in the same places as here. */
  program(path: string): void {
    if (this.entries.has(path)) return;
    this.copy(path, path);
    const libraries = command("ldd", [path])?.stdout ?? "";
    for (const [, library] of libraries.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)) {
      if (!this.entries.has(library)) this.copy(library, library);
    }
  }
}
