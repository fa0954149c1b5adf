/** The variables and structures of the health program. */
import { StructWriter } from "../../ffi/bytes.ts";
import { POLLIN } from "../../ffi/constants.ts";
import {
  addressIn,
  assign,
  type Block,
  block,
  type Place,
  placeIn,
  slot,
  type Step,
  type Target,
} from "../../ffi/program.ts";
import type { HealthPlan } from "./health_plan.ts";
import { OUTPUT_AT, OUTPUT_BYTES, RECORD_SIZE, STATUS } from "./health_records.ts";

const SECOND_NS = 1e9;
/** struct pollfd of nothing. */
const NO_ENTRY = 0xffff_ffffn;
const EVENTS = BigInt(POLLIN) << 32n;

/** struct timespec. */
function time(name: string, ns: number): Block {
  const bytes = new StructWriter(16).u64(Math.trunc(ns / SECOND_NS)).u64(
    Math.trunc(ns % SECOND_NS),
  );
  return block(name, bytes.done());
}

/** An entry of the poll, and what it is without events. */
export interface Watch {
  readonly now: Place;
  readonly idle: Place;
}

/** All state of one health program. */
export class HealthMemory {
  readonly status = slot("health", STATUS.starting);
  readonly newStatus = slot("new health", STATUS.starting);
  readonly streak = slot("failing streak");
  readonly inStart: Place;
  readonly timer = slot("start period's timer", -1);
  readonly timerCount = slot("timer count");
  readonly startPeriod: Block;
  readonly interval: Block;
  readonly startInterval: Block;
  readonly sleep: Block = block("sleep", new Uint8Array(16));
  readonly timeout: Block;
  /** What is left of the check's time: the kernel counts it down (ppoll(2), the raw call). */
  readonly left: Block = block("time left", new Uint8Array(16));
  readonly frozen = slot("freezer");
  readonly thawed: Place;

  readonly record: Block = block("record", new Uint8Array(RECORD_SIZE));
  readonly sequence = slot("sequence");
  readonly offset = slot("offset");

  readonly pipe: Block = block("pipe", new Uint8Array(16));
  readonly readEnd = placeIn(this.pipe, 0);
  readonly writeEnd = slot("pipe's end");
  readonly between = slot("process in between");
  readonly pid = slot("check");
  readonly pidfd = slot("check's pidfd");
  readonly ended = slot("ended");
  readonly outputAt = slot("output address");
  readonly room = slot("room");
  readonly count = slot("count");
  readonly negative = slot("negative");
  readonly waste: Block = block("waste", new Uint8Array(512));

  readonly initOnly: Block;
  readonly polled: Block;
  readonly #idle: Block;
  readonly pollOutput: Watch;
  readonly pollCheck: Watch;
  readonly pollInit: Watch;

  constructor({ times, exec, freezer }: HealthPlan) {
    this.inStart = slot("in the start period", times.startPeriodNs > 0 ? 1 : 0);
    this.startPeriod = block(
      "start period",
      new StructWriter(32).u64(0).u64(0).u64(Math.trunc(times.startPeriodNs / SECOND_NS))
        .u64(Math.trunc(times.startPeriodNs % SECOND_NS)).done(),
    );
    this.interval = time("interval", times.intervalNs);
    this.startInterval = time("start interval", times.startIntervalNs);
    this.timeout = time("timeout", times.timeoutNs);
    const text = new Uint8Array(8);
    text.set(new TextEncoder().encode(freezer?.thawed ?? ""));
    this.thawed = placeIn(block("thawed", text), 0);
    const init = BigInt(exec.pidfd) | EVENTS;
    this.initOnly = block("init", new StructWriter(8).u64(init).done());
    const entries = () => new StructWriter(24).u64(NO_ENTRY).u64(NO_ENTRY).u64(init).done();
    this.polled = block("poll", entries());
    this.#idle = block("poll idle", entries());
    const watch = (index: number): Watch => ({
      now: placeIn(this.polled, index * 8),
      idle: placeIn(this.#idle, index * 8),
    });
    [this.pollOutput, this.pollCheck, this.pollInit] = [watch(0), watch(1), watch(2)];
  }

  /** The start period is over when its timer has run down. */
  endStartPeriod(): Step[] {
    const label = `period.${this.#periods++}`;
    return [
      {
        call: "read",
        args: [this.timer, addressIn(this.timerCount), 8],
        goal: "see whether the start period is over",
        onNegative: `@${label}`,
      },
      assign(this.inStart, 0),
      { ...assign(this.timerCount, 0), label },
    ];
  }
  #periods = 0;

  /** A new record, a whole time limit, all the room. */
  clearRecord(): Step[] {
    return [
      assign(placeIn(this.record, 40), 0),
      assign(placeIn(this.record, 48), 0),
      assign(this.outputAt, addressIn(this.record, OUTPUT_AT)),
      assign(this.room, OUTPUT_BYTES),
      assign(this.ended, 0),
      assign(placeIn(this.left, 0), placeIn(this.timeout, 0)),
      assign(placeIn(this.left, 8), placeIn(this.timeout, 8)),
    ];
  }

  /** Waits for the check's output and for its end. */
  watchCheck(): Step[] {
    const add = (fd: Place, result: Place): Step => ({
      call: "subtract",
      args: [fd, -EVENTS],
      goal: "wait for the check",
      result,
      onNegative: "next",
    });
    return [
      add(this.readEnd, this.pollOutput.now),
      add(this.readEnd, this.pollOutput.idle),
      add(this.pidfd, this.pollCheck.now),
      add(this.pidfd, this.pollCheck.idle),
    ];
  }

  /** Goes to `yes` if something happened to it, else to `no`. */
  happened({ now, idle }: Watch, no: Target, yes: Target, label?: string): Step {
    return {
      call: "subtract",
      args: [now, idle],
      goal: "see what happened",
      label,
      onNegative: no,
      onZero: no,
      onPositive: yes,
    };
  }

  unwatch({ now, idle }: Watch, label?: string): Step[] {
    return [{ ...assign(now, NO_ENTRY), label }, assign(idle, NO_ENTRY)];
  }

  noTimeLeft(): Step[] {
    return [assign(placeIn(this.left, 0), 0), assign(placeIn(this.left, 8), 0)];
  }
}
