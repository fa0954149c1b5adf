/**
 * Who the process is and what it may do: limits, groups, user, capabilities, seccomp. The order
 * is the argument: whatever needs a right comes before the right is given up.
 */
import {
  CAPABILITY_VERSION_3,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAP_AMBIENT_RAISE,
  PR_CAPBSET_DROP,
  PR_SET_KEEPCAPS,
  PR_SET_NO_NEW_PRIVS,
  SECCOMP_FILTER_FLAG_NEW_LISTENER,
  SECCOMP_SET_MODE_FILTER,
} from "../../ffi/constants.ts";
import { EBADF, EINVAL, ENOSYS, EPERM, EROFS } from "../../ffi/errno.ts";
import { addressIn, block, type Place, slot, type Step } from "../../ffi/program.ts";
import { ALL_CAPABILITIES, capabilityMask } from "./capabilities.ts";
import { kernelRlimits } from "./rlimits.ts";
import type { SeccompFilter } from "./seccomp_compile.ts";
import type { Capabilities, Process, Rlimit } from "./spec_types.ts";

/** CAP_CHECKPOINT_RESTORE: the last one of every kernel since 5.9. */
const LAST_CAPABILITY = 40;
const KEYCTL_JOIN_SESSION_KEYRING = 1;
/** linux/personality.h, by OCI's names. */
export const PERSONALITY: Record<string, number> = { LINUX: 0, LINUX32: 8 };

/** setrlimit for each limit, before the right to raise them is gone. */
export function rlimitSteps(limits: readonly Rlimit[]): Step[] {
  return kernelRlimits(limits).map(({ resource, soft, hard }, i): Step => {
    const bytes = new Uint8Array(new BigUint64Array([soft, hard]).buffer);
    return {
      call: "prlimit64",
      args: [0, resource, addressIn(block(limits[i].type, bytes)), 0],
      goal: `set ${limits[i].type} to ${soft}:${hard}`,
    };
  });
}

/** A session keyring of its own: the host's keys stay out of reach. keyctl(2). */
export function keyringSteps(): Step[] {
  return [{
    call: "keyctl",
    args: [KEYCTL_JOIN_SESSION_KEYRING, null, 0, 0, 0],
    allow: [ENOSYS, EPERM],
    goal: "make a session keyring",
  }];
}

/** personality(2) by OCI's name. */
export function personalitySteps(personality: { domain: string }): Step[] {
  const value = PERSONALITY[personality.domain];
  return [{ call: "personality", args: [value], goal: "set the personality" }];
}

/** Drops from the bounding set all that `capabilities` does not list. */
export function boundingSteps(capabilities: Capabilities): Step[] {
  const keep = capabilityMask(capabilities.bounding ?? []);
  const steps: Step[] = [];
  for (let number = 0; number <= LAST_CAPABILITY; number++) {
    if ((keep >> BigInt(number)) & 1n) continue;
    steps.push({
      call: "prctl",
      args: [PR_CAPBSET_DROP, number, 0, 0, 0],
      goal: `drop ${ALL_CAPABILITIES[number]} for good`,
    });
  }
  return steps;
}

/** Groups, group, user; capabilities survive until `capabilitySteps`. */
export function userSteps(process: Process, mayDenyGroups: boolean): Step[] {
  const { uid, gid, additionalGids = [] } = process.user;
  const groups = new Uint8Array(new Uint32Array(additionalGids).buffer);
  return [
    { call: "prctl", args: [PR_SET_KEEPCAPS, 1, 0, 0, 0], goal: "keep capabilities" },
    {
      call: "setgroups",
      args: [additionalGids.length, addressIn(block("groups", groups))],
      allow: mayDenyGroups ? [EPERM] : [],
      goal: "set the supplementary groups",
    },
    { call: "setresgid", args: [gid, gid, gid], goal: `become group ${gid}` },
    { call: "setresuid", args: [uid, uid, uid], goal: `become user ${uid}` },
    { call: "prctl", args: [PR_SET_KEEPCAPS, 0, 0, 0, 0], goal: "stop keeping capabilities" },
  ];
}

/** The effective, permitted, inheritable and ambient sets. capset(2). */
export function capabilitySteps(capabilities: Capabilities): Step[] {
  const header = new Uint8Array(new Uint32Array([CAPABILITY_VERSION_3, 0]).buffer);
  const sets = [capabilities.effective, capabilities.permitted, capabilities.inheritable]
    .map((names) => capabilityMask(names ?? []));
  const data = new Uint32Array(6);
  sets.forEach((set, i) => {
    data[i] = Number(set & 0xffffffffn);
    data[i + 3] = Number(set >> 32n);
  });
  const ambient = capabilityMask(capabilities.ambient ?? []);
  return [
    {
      call: "capset",
      args: [
        addressIn(block("capability header", header)),
        addressIn(block("capabilities", new Uint8Array(data.buffer))),
      ],
      goal: "set the capabilities",
    },
    {
      call: "prctl",
      args: [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0],
      goal: "clear the ambient capabilities",
    },
    ...bits(ambient).map((number): Step => ({
      call: "prctl",
      args: [PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0],
      goal: `raise ambient capability ${number}`,
    })),
  ];
}

function bits(mask: bigint): number[] {
  const out: number[] = [];
  for (let i = 0; i <= LAST_CAPABILITY; i++) if ((mask >> BigInt(i)) & 1n) out.push(i);
  return out;
}

/** No program started from here on can gain rights by its file. prctl(2). */
export function noNewPrivilegesSteps(): Step[] {
  return [{
    call: "prctl",
    args: [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0],
    goal: "give up new privileges",
  }];
}

/**
 * Installs the filter. With `agent`, a socket, the number of the filter's listener is written there.
 * seccomp(2), struct sock_fprog.
 */
export function seccompSteps(filter: SeccompFilter, agent?: Place): Step[] {
  const program = block("seccomp filter", filter.program);
  const header = new Uint8Array(16);
  new DataView(header.buffer).setUint16(0, filter.program.length / 8, true);
  const fprog = block("seccomp program", header, [{ offset: 8, to: addressIn(program) }]);
  const goal = "install the seccomp filter";
  if (!filter.notify || agent === undefined) {
    return [{
      call: "seccomp",
      args: [SECCOMP_SET_MODE_FILTER, filter.flags, addressIn(fprog)],
      goal,
    }];
  }
  const flags = filter.flags | SECCOMP_FILTER_FLAG_NEW_LISTENER;
  const listener = slot("listener"), byte = block("go", new Uint8Array(8));
  return [
    {
      call: "seccomp",
      args: [SECCOMP_SET_MODE_FILTER, flags, addressIn(fprog)],
      goal,
      result: listener,
    },
    { call: "write", args: [agent, addressIn(listener), 8], goal: "tell the seccomp listener" },
    {
      call: "read",
      args: [agent, addressIn(byte), 1],
      goal: "wait until the seccomp listener was taken",
      onZero: "fail",
    },
  ];
}

/** Gives streams to the user, so that `echo > /dev/stdout` works for who is not root. */
export function ownerSteps(streams: readonly number[], uid: number): Step[] {
  if (uid === 0) return [];
  return streams.map((stream): Step => ({
    call: "fchown",
    args: [stream, uid, -1],
    allow: [EPERM, EROFS, EINVAL, EBADF],
    goal: "give the streams to the user",
  }));
}
