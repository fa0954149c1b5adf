import { assertEquals } from "@std/assert";
import { FrameSink } from "../../../src/api/container_logs.ts";
import { frame, STDERR_STREAM, STDOUT_STREAM } from "../../../src/api/frames.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("frame() has the stream, three zeros and the length, big endian, in front", () => {
  assertEquals([...frame(STDOUT_STREAM, bytes("ab"))], [1, 0, 0, 0, 0, 0, 0, 2, 97, 98]);
  assertEquals([...frame(STDERR_STREAM, bytes(""))], [2, 0, 0, 0, 0, 0, 0, 0]);
  const large = frame(STDOUT_STREAM, new Uint8Array(0x010203));
  assertEquals([...large.subarray(0, 8)], [1, 0, 0, 0, 0, 1, 2, 3]);
  assertEquals(large.length, 8 + 0x010203);
});

/** What a sink sends of these additions, flushed at the end. */
async function sent(
  choice: { stdout: boolean; stderr: boolean },
  isTerminal: boolean,
  ...added: [number, string][]
): Promise<number[][]> {
  const pieces: number[][] = [];
  const sink = new FrameSink(choice, isTerminal, (piece) => {
    pieces.push([...piece]);
    return Promise.resolve();
  });
  for (const [stream, text] of added) await sink.add(stream, bytes(text));
  await sink.flush();
  await sink.flush();
  return pieces;
}

Deno.test("FrameSink sends frames together, and only of the streams that were chosen", async () => {
  const both: [number, string][] = [[1, "o"], [2, "e"]];
  const framed = [1, 0, 0, 0, 0, 0, 0, 1, 111, 2, 0, 0, 0, 0, 0, 0, 1, 101];
  assertEquals(await sent({ stdout: true, stderr: true }, false, ...both), [framed]);
  assertEquals(await sent({ stdout: false, stderr: true }, false, ...both), [framed.slice(9)]);
  assertEquals(await sent({ stdout: false, stderr: false }, false, ...both), []);
});

Deno.test("FrameSink has no frames for a terminal, and copies what it is given", async () => {
  assertEquals(await sent({ stdout: true, stderr: false }, true, [1, "a"], [1, "b"]), [[97, 98]]);
  const pieces: number[][] = [];
  const sink = new FrameSink({ stdout: true, stderr: true }, true, (piece) => {
    pieces.push([...piece]);
    return Promise.resolve();
  });
  const reused = bytes("x");
  await sink.add(STDOUT_STREAM, reused);
  reused[0] = 0;
  await sink.flush();
  assertEquals(pieces, [[120]]);
});

Deno.test("FrameSink sends at once what has become much", async () => {
  const much = "m".repeat(64 * 1024);
  const pieces = await sent({ stdout: true, stderr: true }, false, [1, much], [1, "rest"]);
  assertEquals(pieces.map(({ length }) => length), [8 + much.length, 8 + 4]);
});
