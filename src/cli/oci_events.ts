import { parseDuration } from "../base/duration.ts";
import { UserError } from "../base/errors.ts";
import { followContainer, statsLine } from "../runtime/oci_events.ts";
import { type OciCommand, print } from "./oci_context.ts";

const NANOS_PER_MILLI = 1_000_000n;

/** A Go duration in milliseconds, at least one. */
function intervalMs(text: string): number {
  let nanos: bigint;
  try {
    nanos = parseDuration(text);
  } catch {
    throw new UserError(`invalid value ${JSON.stringify(text)} for flag -interval: parse error`);
  }
  if (nanos <= 0n) throw new UserError("duration interval must be greater than 0");
  return Math.max(1, Number(nanos / NANOS_PER_MILLI));
}

/** `events`. */
export const EVENTS: OciCommand = {
  summary: "print figures of a container and when it runs out of memory, one JSON object a line",
  usage: "[command options] <container-id>",
  options: {
    interval: { kind: "text", help: "time between figures (default: 5s)" },
    stats: { kind: "bool", help: "print the figures of now and leave" },
  },
  args: [1, 1],
  run: ({ store }, given) => {
    const [id] = given.rest;
    const interval = intervalMs(given.text("interval") ?? "5s");
    const emit = (line: string) => print(`${line}\n`);
    if (given.flag("stats")) emit(statsLine(store, id));
    else followContainer(store, id, interval, emit);
    return 0;
  },
};
