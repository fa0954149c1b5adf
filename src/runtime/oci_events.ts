/** What happens to a running container, as `events` prints it: figures at intervals, want of memory. */
import { POLLIN } from "../../ffi/constants.ts";
import { Fd } from "../../ffi/fd.ts";
import { sys } from "../../ffi/libc.ts";
import { pollNow } from "../../ffi/poll.ts";
import { UserError } from "../base/errors.ts";
import type { Cgroup } from "./cgroup_place.ts";
import { cgroupOf, isAlive, type OciStore } from "./oci_state.ts";
import { type Figures, figuresText, oomKills, readFigures } from "./oci_stats.ts";
import { watchOom } from "./oom_watch.ts";

/** One line of the output, without its line break. */
export type Emit = (line: string) => void;

function lineOf(id: string, type: "stats" | "oom", data?: Figures): string {
  return figuresText({ type, id, ...(data && { data }) });
}

/** The container's number and cgroup. Throws UserError where it does not run. */
function running(store: OciStore, id: string): { pid: number; cgroup: Cgroup } {
  const record = store.read(id);
  if (!isAlive(record)) throw new UserError(`container with id ${id} is not running`);
  const cgroup = cgroupOf(record);
  if (cgroup === undefined) throw new UserError(`Cannot watch container ${id}: it has no cgroup`);
  return { pid: record.pid, cgroup };
}

/** The figures of now. Throws UserError where the container does not run. */
export function statsLine(store: OciStore, id: string): string {
  const figures = readFigures(running(store, id).cgroup);
  if (figures === undefined) throw new UserError(`container with id ${id} is not running`);
  return lineOf(id, "stats", figures);
}

/** Emits figures every `intervalMs` and each want of memory, until the container has ended. */
export function followContainer(
  store: OciStore,
  id: string,
  intervalMs: number,
  emit: Emit,
): void {
  const { pid, cgroup } = running(store, id);
  const raw = sys("pidfd_open", pid, 0);
  if (raw < 0) return; // it has just ended
  using init = new Fd(raw);
  using oom = watchOom(cgroup);
  const interests = [init, ...(oom ? [oom.fd] : [])].map(({ raw: fd }) => ({ fd, events: POLLIN }));
  let kills = oomKills(cgroup);
  let next = performance.now() + intervalMs;
  for (;;) {
    const [ended, short] = pollNow(interests, Math.max(0, next - performance.now()));
    if (short) {
      oom?.drain();
      const now = oomKills(cgroup);
      // v1's descriptor tells of nothing else; that of v2 of every line of the file.
      if (cgroup.version === 1 ? readFigures(cgroup) !== undefined : now > kills) {
        emit(lineOf(id, "oom"));
      }
      kills = now;
    }
    if (ended) return;
    if (performance.now() < next) continue;
    const figures = readFigures(cgroup);
    if (figures === undefined) return;
    emit(lineOf(id, "stats", figures));
    next += intervalMs;
  }
}
