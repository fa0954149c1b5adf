import { assert, assertEquals } from "@std/assert";
import { type SeccompMachine, syscallNumbers } from "../../../src/runtime/seccomp_numbers.ts";

const SAMPLES: [machine: SeccompMachine, call: string, number: number | undefined][] = [
  ["x86_64", "read", 0],
  ["x86_64", "execve", 59],
  ["x86_64", "clone3", 435],
  ["x86_64", "waitpid", undefined],
  ["x32", "execve", 520],
  ["x32", "read", 0],
  ["x32", "uselib", undefined],
  ["x86", "read", 3],
  ["x86", "socketcall", 102],
  ["x86", "clock_gettime64", 403],
  ["aarch64", "openat", 56],
  ["aarch64", "open", undefined],
  ["aarch64", "clone3", 435],
  ["arm", "openat", 322],
  ["arm", "set_tls", 0xf0005],
];
for (const [machine, call, number] of SAMPLES) {
  Deno.test(`syscallNumbers() has ${call} of ${machine} as ${number}`, () => {
    assertEquals(syscallNumbers(machine).get(call), number);
  });
}

const HEADERS: [SeccompMachine, file: string][] = [
  ["x86_64", "unistd_64.h"],
  ["x86", "unistd_32.h"],
  ["x32", "unistd_x32.h"],
];
for (const [machine, file] of HEADERS) {
  const path = `/usr/include/x86_64-linux-gnu/asm/${file}`;
  const missing = !exists(path);
  Deno.test({
    name: `syscallNumbers() agrees with the kernel's ${file}${missing ? " (not installed)" : ""}`,
    ignore: missing,
    fn() {
      const table = syscallNumbers(machine);
      // Those of x32 alone are from 512 on.
      const newest = Math.max(...[...table.values()].filter((number) => number < 512));
      let compared = 0;
      const lines = Deno.readTextFileSync(path)
        .matchAll(/^#define __NR_(\w+) (?:\(__X32_SYSCALL_BIT \+ )?(\d+)\)?$/gm);
      for (const [, name, number] of lines) {
        // Headers may be newer than the table, which is no reason to be wrong about what it has.
        if (!table.has(name)) assert(Number(number) > newest, `${name} is missing`);
        else assertEquals(table.get(name), Number(number), name);
        compared++;
      }
      assert(compared > 300, `only ${compared} lines read`);
    },
  });
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
