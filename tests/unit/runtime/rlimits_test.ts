import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import {
  kernelRlimits,
  ociRlimit,
  parseUlimit,
  RLIM_INFINITY,
} from "../../../src/runtime/rlimits.ts";

const GOOD: [text: string, soft: number, hard: number][] = [
  ["nofile=1024", 1024, 1024],
  ["nofile=1024:2048", 1024, 2048],
  ["memlock=-1", -1, -1],
  ["core=0:-1", 0, -1],
  ["rttime=+5", 5, 5],
];
for (const [text, soft, hard] of GOOD) {
  Deno.test(`parseUlimit() takes ${text}`, () => {
    assertEquals(parseUlimit(text), { Name: text.split("=")[0], Soft: soft, Hard: hard });
  });
}

const BAD: [text: string, message: string][] = [
  ["nofile", "invalid ulimit argument: nofile"],
  ["foo=1", "invalid ulimit type: foo"],
  ["as=1", "invalid ulimit type: as"],
  ["nofile=20:10", "ulimit soft limit must be less than or equal to hard limit: 20 > 10"],
  [
    "nofile=-1:10",
    "ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: 10",
  ],
  ["nofile=x", 'strconv.ParseInt: parsing "x": invalid syntax'],
  ["nofile=", 'strconv.ParseInt: parsing "": invalid syntax'],
  [
    "nofile=99999999999999999999",
    'strconv.ParseInt: parsing "99999999999999999999": value out of range',
  ],
  [
    "nofile=1:2:3",
    "too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`",
  ],
];
for (const [text, message] of BAD) {
  Deno.test(`parseUlimit() refuses ${text}`, () => {
    assertEquals(assertThrows(() => parseUlimit(text), UserError).message, message);
  });
}

Deno.test("kernelRlimits() turns names into numbers and -1 into infinity", () => {
  const limits = [
    ociRlimit({ Name: "nofile", Soft: 1, Hard: 2 }),
    { type: "RLIMIT_RTTIME", soft: -1, hard: 18446744073709551615 },
    { type: "RLIMIT_AS", soft: 0, hard: -1 },
  ];
  assertEquals(kernelRlimits(limits), [
    { resource: 7, soft: 1n, hard: 2n },
    { resource: 15, soft: RLIM_INFINITY, hard: RLIM_INFINITY },
    { resource: 9, soft: 0n, hard: RLIM_INFINITY },
  ]);
});

const BAD_OCI: [type: string, soft: number, hard: number, message: string][] = [
  ["RLIMIT_FOO", 1, 1, 'Cannot set limit "RLIMIT_FOO": unknown'],
  ["nofile", 1, 1, 'Cannot set limit "nofile": unknown'],
  ["RLIMIT_CPU", 2, 1, 'Cannot set limit "RLIMIT_CPU": soft 2 is above hard 1'],
  ["RLIMIT_CPU", 1.5, 2, "is not a number of units"],
  ["RLIMIT_CPU", -2, 2, "is not a number of units"],
];
for (const [type, soft, hard, message] of BAD_OCI) {
  Deno.test(`kernelRlimits() refuses ${type} ${soft} ${hard}`, () => {
    assertThrows(() => kernelRlimits([{ type, soft, hard }]), UserError, message);
  });
}

Deno.test("kernelRlimits() refuses a type given twice", () => {
  const limit = { type: "RLIMIT_CPU", soft: 1, hard: 1 };
  assertThrows(() => kernelRlimits([limit, limit]), UserError, "given twice");
});
