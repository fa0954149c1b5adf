import { assertEquals, assertRejects } from "@std/assert";
import type { Exchange } from "../../../src/api/exchange.ts";
import { ProgressAnswer } from "../../../src/api/progress_answer.ts";

/** An answer that is remembered: its status, its lines, whether it ended. */
function remembered() {
  const said: unknown[] = [];
  const exchange = {
    start: (status: number) => {
      said.push(status);
      return Promise.resolve({
        write: (text: string) => Promise.resolve(void said.push(JSON.parse(text))),
        end: () => Promise.resolve(void said.push("end")),
      });
    },
  } as unknown as Exchange;
  return { said, display: new ProgressAnswer(exchange) };
}

Deno.test("ProgressAnswer sends its lines in order, with bars where sizes are known", async () => {
  const { said, display } = remembered();
  await display.during(() => {
    display.line("Pulling from library/x", "1");
    display.update("0123", "Waiting", 0, 0);
    display.update("0123", "Downloading", 10, 10);
    return Promise.resolve();
  });
  const [status, first, second, third, end] = said as Record<string, unknown>[];
  assertEquals(status as unknown, 200);
  assertEquals(first, { status: "Pulling from library/x", id: "1" });
  assertEquals(second, { status: "Waiting", progressDetail: {}, id: "0123" });
  assertEquals(third.progressDetail, { current: 10, total: 10 });
  assertEquals(String(third.progress).startsWith("[=====") && third.id === "0123", true);
  assertEquals(end as unknown, "end");
});

Deno.test("ProgressAnswer tells a late failure by a line, with its code if it has one", async () => {
  const { said, display } = remembered();
  await display.during(() => {
    display.line("begun");
    throw Object.assign(new Error("why"), { code: 7 });
  });
  assertEquals(said.slice(2), [
    { errorDetail: { code: 7, message: "why" }, error: "why" },
    "end",
  ]);
});

Deno.test("ProgressAnswer leaves an early failure to the status", async () => {
  const { said, display } = remembered();
  await assertRejects(() => display.during(() => Promise.reject(new Error("no"))), Error, "no");
  assertEquals(said, []);
});
