/** What this runtime can do, from the tables that do it. Source: runtime-spec features.md, 1.2.0. */
import { COMMIT, VERSION } from "../base/version.ts";
import { ALL_CAPABILITIES } from "./capabilities.ts";
import { knownMountOptions } from "./mount_options.ts";
import { NAMESPACE_FLAG } from "./namespaces.ts";
import { SPEC_VERSION } from "./oci_default_spec.ts";
import { seccompWords } from "./seccomp_compile.ts";

/** The document that `features` prints. */
export function features(): unknown {
  return {
    ociVersionMin: "1.0.0",
    ociVersionMax: SPEC_VERSION,
    hooks: [
      "prestart",
      "createRuntime",
      "createContainer",
      "startContainer",
      "poststart",
      "poststop",
    ],
    mountOptions: knownMountOptions(),
    linux: {
      namespaces: Object.keys(NAMESPACE_FLAG).sort(),
      capabilities: ALL_CAPABILITIES,
      cgroup: { v1: true, v2: true, systemd: false, systemdUser: false, rdma: true },
      seccomp: { enabled: true, ...seccompWords() },
      apparmor: { enabled: true },
      selinux: { enabled: true },
      intelRdt: { enabled: false },
      mountExtensions: { idmap: { enabled: true } },
    },
    annotations: {
      "org.diplodock.version": VERSION,
      "org.diplodock.commit": COMMIT,
    },
  };
}
