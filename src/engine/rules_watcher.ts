/**
 * Starting the watch over our rules: one process of a few pages for all containers whose published
 * ports nf_tables leads. It ends with one of them, and who cleans up after that one starts it again
 * for another. The lock of a file says that it is there.
 */
import { AF_NETLINK, NETLINK_NETFILTER, O_RDWR } from "../../ffi/constants.ts";
import { StructWriter } from "../../ffi/bytes.ts";
import { executable } from "../../ffi/elf.ts";
import { Fd, lockFile, openAt } from "../../ffi/fd.ts";
import { check } from "../../ffi/libc.ts";
import { SOCK_RAW_CLOEXEC } from "../../ffi/netlink.ts";
import { readIfThere } from "../base/files.ts";
import { selfCommand } from "../base/self.ts";
import { hasRules } from "../net/announce.ts";
import type { NetPlaces } from "../net/places.ts";
import { seenPath } from "../net/rules_mark.ts";
import { readStates } from "../net/state.ts";
import { watchPath } from "../net/watch.ts";
import { watchProgram } from "../net/watch_program.ts";
import { execute } from "../runtime/execute.ts";
import { isAlive, readRunState } from "./state.ts";

/** NFNLGRP_NFTABLES as a bit. linux/netfilter/nfnetlink.h. */
const RULES_GROUP = 1 << 6;

/**
 * Starts the watch if a container needs it and nobody watches. With `ended`, the container with
 * which the watch that there was ends: that is waited for.
 */
export function startRulesWatch(places: NetPlaces, ended?: string): void {
  using life = somebodyPublished(places);
  if (life === undefined) return;
  const path = watchPath(places);
  using lock = lockFile(path, ended !== undefined && readIfThere(path) === ended);
  if (lock === undefined) return;
  Deno.writeTextFileSync(path, life.id);
  using scope = new DisposableStack();
  const socket = () => {
    const goal = "watch the rules";
    return scope.use(
      new Fd(check(goal, "socket", AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_NETFILTER)),
    );
  };
  const changes = socket();
  const address = new StructWriter(12).u16(AF_NETLINK).u16(0).u32(0).u32(RULES_GROUP).done();
  check("watch the rules", "bind", changes.raw, address, address.length);
  const open = (file: string, flags?: number) => scope.use(openAt(null, file, flags));
  const [file, ...words] = selfCommand();
  const plan = {
    changes: changes.raw,
    questions: socket().raw,
    life: life.pidfd.raw,
    seen: open(seenPath(places)).raw,
    nullFile: open("/dev/null", O_RDWR).raw,
    repair: {
      file,
      argv: [file, ...words, "__rules"],
      env: Object.entries(Deno.env.toObject()).map(([key, value]) => `${key}=${value}`),
    },
  };
  const { repair: _, ...fds } = plan;
  const inherited = [...Object.values(fds), lock.raw];
  const { bytes } = executable(watchProgram(plan));
  execute(bytes, inherited, ["diplodock-rules", places.run], { outlives: true });
}

/** A container that runs and whose ports are led by rules. */
function somebodyPublished(places: NetPlaces): { id: string; pidfd: Fd } & Disposable | undefined {
  for (const state of readStates(places)) {
    const run = hasRules(state) ? readRunState(state.owner.id) : undefined;
    if (run === undefined || !isAlive(run.pid, run.startTime)) continue;
    const pidfd = new Fd(check("watch a container", "pidfd_open", run.pid, 0));
    return { id: state.owner.id, pidfd, [Symbol.dispose]: () => pidfd[Symbol.dispose]() };
  }
  return undefined;
}
