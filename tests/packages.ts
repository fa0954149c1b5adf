/** The Debian packages the tests use. Without them tests are skipped, and say so. */
const PACKAGES: readonly string[] = [
  // what images are made of, and the peers that judge them
  "busybox-static",
  "skopeo",
  "umoci",
  "debootstrap",
  "docker-registry",
  // the engines and runtimes we compare with and run under
  "runc",
  "crun",
  "containerd",
  "docker.io",
  "podman",
  "conmon",
  "fuse-overlayfs",
  "uidmap",
  "slirp4netns",
  "passt",
  "catatonit",
  // network
  "iptables",
  "nftables",
  "iproute2",
  "bind9-dnsutils",
  "curl",
  "netcat-openbsd",
  "socat",
  // machine code for the other processor, assembled and run
  "binutils",
  "binutils-aarch64-linux-gnu",
  "qemu-user",
  // a kernel of its own, for cgroup v2
  "qemu-system-x86",
  // which then owns the tree of cgroups
  "systemd",
  // shells, for completion
  "zsh",
  "fish",
  // repositories as build contexts
  "git",
  // archives
  "tar",
  "xz-utils",
  "zstd",
  "bzip2",
  "attr",
  "libcap2-bin",
  "procps",
  // a client of the API
  "python3-docker",
  "docker-compose",
  // which reaches it by ssh, too
  "openssh-server",
  "openssh-client",
];

function succeeds(command: string, args: string[]): boolean {
  try {
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    const options = { args, env, stdin: "null", stdout: "null", stderr: "inherit" } as const;
    return new Deno.Command(command, options).outputSync().success;
  } catch {
    return false;
  }
}

/** Of `names`, those dpkg does not have; undefined where there is no dpkg. */
function missing(names: readonly string[]): string[] | undefined {
  try {
    const args = ["-W", "-f", "${Package} ${db:Status-Status}\n", ...names];
    const { stdout } = new Deno.Command("dpkg-query", { args, stderr: "null" }).outputSync();
    const lines = new TextDecoder().decode(stdout).split("\n");
    return names.filter((name) => !lines.includes(`${name} installed`));
  } catch {
    return undefined;
  }
}

/** Installs what is missing, when we may; says on stderr what it could not do. */
export function installPackages(): void {
  const names = missing(PACKAGES);
  if (names === undefined || names.length === 0) return;
  if (Deno.uid() !== 0) {
    console.error(`Not root: some tests will be skipped for want of ${names.join(" ")}`);
    return;
  }
  console.error(`Installing ${names.join(" ")}`);
  const install = ["install", "-y", "-qq", "--no-install-recommends"];
  if (succeeds("apt-get", [...install, ...names])) return;
  succeeds("apt-get", ["update", "-qq"]);
  if (succeeds("apt-get", [...install, ...names])) return;
  // One name that this release lacks must not cost the others.
  const absent = names.filter((name) => !succeeds("apt-get", [...install, name]));
  if (absent.length > 0) console.error(`Cannot install ${absent.join(" ")}: see apt-get above`);
}
