/** What the monitor tells the steps of a process that it starts. */
import { type Place, slot } from "../../ffi/program.ts";

/**
 * The number of the report pipe for steps that run under a monitor, which sets it: 16 bytes of a
 * failed step are written there, or nothing, until execve closes it.
 */
export const REPORT_PIPE: Place = slot("report pipe", -1);
