/** What `explain --as sh` writes, run beside the command that it explains. */
import { assert, assertEquals } from "@std/assert";
import type { Engine } from "./engine.ts";

/** Runs the command, and the script for it: both must print the same, and not nothing. */
export async function bothWays(engine: Engine, words: string[]): Promise<void> {
  const text = await engine.ok("explain", "--as", "sh", ...words);
  const script = engine.file("by-hand.sh", text);
  const byHand = new Deno.Command("sh", { args: [script] }).outputSync();
  const decoder = new TextDecoder();
  const stderr = decoder.decode(byHand.stderr);
  const { stdout } = await engine.dd(...words);
  assert(stdout !== "");
  assertEquals(decoder.decode(byHand.stdout), stdout, stderr);
}
