/** Expected texts that are too long for a test: files in tests/golden, rewritten by UPDATE=1. */
import { assertEquals } from "@std/assert";

/** Throws unless `text` is what tests/golden/`name` holds. With UPDATE=1 it becomes that. */
export function assertGolden(name: string, text: string): void {
  const url = new URL(`../golden/${name}`, import.meta.url);
  if (Deno.env.get("UPDATE") === "1") {
    Deno.writeTextFileSync(url, text);
    return;
  }
  assertEquals(text, Deno.readTextFileSync(url), `differs from tests/golden/${name}`);
}
