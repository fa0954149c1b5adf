/**
 * The program of a container's first process, step by step, as golden listings: one call a line.
 * UPDATE=1 writes them anew.
 */
import { listing } from "../../../ffi/listing.ts";
import { initProgram } from "../../../src/runtime/init.ts";
import { planStart, type StartContext } from "../../../src/runtime/plan.ts";
import { parseSpec } from "../../../src/runtime/spec.ts";
import { assertGolden } from "../../lib/golden.ts";

/** A machine with a new kernel that gives every capability, and no user namespace around us. */
const CONTEXT: StartContext = {
  failure: { report: 3, label: "report" },
  cgroupProcs: [10, 11],
  cgroupHierarchies: [],
  ownedStreams: [1, 2],
  isDirectory: () => true,
  nested: false,
  available: ~0n,
  layersOneByOne: true,
  warn: () => {},
};

const PROGRAMS: [name: string, bundle: string, more: Partial<StartContext>][] = [
  ["smallest", "bundle_smallest.json", {}],
  ["everything", "bundle_everything.json", { consoleSocket: 6, ownedStreams: [0, 1, 2] }],
];

for (const [name, bundle, more] of PROGRAMS) {
  Deno.test(`initProgram() of the ${name} bundle is the golden listing`, () => {
    const spec = parseSpec(Deno.readTextFileSync(`tests/golden/${bundle}`));
    const steps = initProgram(planStart(spec, { ...CONTEXT, ...more }));
    assertGolden(`init_${name}.txt`, listing(steps));
  });
}
