import { assertEquals } from "@std/assert";
import { signalsIn } from "../../../ffi/ignored_signals.ts";

const CASES: [what: string, status: string, want: number[]][] = [
  ["nothing", "Name:\tx\nSigIgn:\t0000000000000000\n", []],
  ["SIGPIPE", "SigBlk:\tff\nSigIgn:\t0000000000001000\nSigCgt:\t1\n", [13]],
  ["SIGHUP, SIGCHLD and the last one", "SigIgn:\t8000000000010001\n", [1, 17, 64]],
  ["a status without the line", "Name:\tx\n", []],
];

for (const [what, status, want] of CASES) {
  Deno.test(`signalsIn() finds ${what}`, () => assertEquals(signalsIn(status), want));
}
