import { assert, assertEquals } from "@std/assert";
import { fixAddress } from "../../build/fixed_address.ts";
import { useLargePages } from "../../build/large_pages.ts";
import { skipUnless } from "../lib/skip.ts";

const SETTING = "/sys/kernel/mm/transparent_hugepage/enabled";

function hugePages(): boolean {
  try {
    return !Deno.readTextFileSync(SETTING).includes("[never]");
  } catch {
    return false;
  }
}

/** How often a huge page was wanted and not to be had. */
function fallbacks(): number {
  const text = Deno.readTextFileSync("/proc/vmstat");
  return Number(/^thp_fault_fallback (\d+)/m.exec(text)?.[1] ?? 0);
}

/** What `code` prints in the Deno at `path`. */
function evaluate(path: string, code: string): string {
  const args = ["eval", "--no-lock", code];
  const { success, stdout, stderr } = new Deno.Command(path, { args }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

/** A Deno that starts in huge pages, in a folder of its own. */
class LargeDeno implements Disposable {
  readonly folder = Deno.makeTempDirSync();
  readonly path = `${this.folder}/deno`;

  constructor() {
    const bytes = Deno.readFileSync(Deno.execPath());
    const room = fixAddress(bytes, 0x10000000n);
    assert(typeof room !== "string", `fixAddress(): ${room}`);
    assertEquals(useLargePages(bytes, room), undefined);
    Deno.writeFileSync(this.path, bytes, { mode: 0o755 });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

const ON_X86 = Deno.build.arch === "x86_64";

Deno.test({
  name: "a Deno with large_pages.ts has malloc's and V8's heap in huge pages",
  ...skipUnless(ON_X86 && hugePages(), "needs x86-64 and transparent huge pages"),
  fn() {
    using deno = new LargeDeno();
    const before = fallbacks();
    const smaps = evaluate(deno.path, "console.log(Deno.readTextFileSync('/proc/self/smaps'))");
    const mappings = smaps.split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/);
    const huge = mappings.filter((mapping) => /^VmFlags:.* hg\b/m.test(mapping));
    assert(huge.some((mapping) => mapping.includes("[heap]")), "not malloc's heap");
    // What V8 asked for is not inherited by children (dc, from MADV_DONTFORK).
    assert(huge.some((mapping) => /^VmFlags:.* dc\b/m.test(mapping)), "not V8's heap");
    const kilobytes = huge.map((mapping) => Number(/^AnonHugePages: +(\d+)/m.exec(mapping)![1]));
    // A machine whose memory is in pieces has none to give, and counts that.
    const isGiven = kilobytes.some((size) => size >= 2048);
    assert(isGiven || fallbacks() > before, `no huge page: ${kilobytes}`);
  },
});

Deno.test({
  name: "a Deno with large_pages.ts fills more than the area, frees and fills it again",
  ...skipUnless(ON_X86, "the code is x86-64"),
  fn() {
    using deno = new LargeDeno();
    const code = `
      let sum = 0;
      for (let round = 0; round < 4; round++) {
        const all = Array.from({ length: 300000 }, (_, at) => ({ text: "t" + at, list: [at] }));
        sum += all.reduce((total, { text, list }) => total + text.length + list[0] % 7, 0);
      }
      console.log(sum);`;
    assertEquals(evaluate(deno.path, code), evaluate(Deno.execPath(), code));
  },
});
