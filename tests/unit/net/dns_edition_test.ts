/** What is in the kernel outlives the engine that loaded it: see `EDITION`. */
import { assertEquals } from "@std/assert";
import { encodeProgram } from "../../../ffi/bpf.ts";
import { replyProgram } from "../../../src/net/dns_forward_code.ts";
import { EDITION } from "../../../src/net/dns_programs.ts";
import { questionProgram } from "../../../src/net/dns_question_program.ts";
import { hashOf } from "../../../src/net/places.ts";

Deno.test("EDITION is another one when the programs are", () => {
  const maps = { names: 3, containers: 4, flows: 5 };
  const bytes = [questionProgram(maps, 250), replyProgram(maps)].map(encodeProgram);
  const now = hashOf(bytes.map((program) => String.fromCharCode(...program)).join());
  assertEquals({ edition: EDITION, hash: now.toString(16) }, { edition: 1, hash: "554c49dd" });
});
