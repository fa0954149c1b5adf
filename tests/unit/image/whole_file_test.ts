import { assertEquals, assertRejects } from "@std/assert";
import { writeWhole } from "../../../src/image/whole_file.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

async function inDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    await work(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

const namesIn = (directory: string) => Array.from(Deno.readDirSync(directory), ({ name }) => name);

Deno.test("writeWhole() shows a file when it is whole, and no name before", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/archive`;
    const made = await writeWhole(path, (write) => {
      write(bytes("one "));
      write(bytes("two"));
      assertEquals(namesIn(directory), []);
      return Promise.resolve("made");
    });
    assertEquals(made, "made");
    assertEquals(namesIn(directory), ["archive"]);
    assertEquals(Deno.readTextFileSync(path), "one two");
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
  }));

Deno.test("writeWhole() leaves what was there when the work fails, else replaces it", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/archive`;
    Deno.writeTextFileSync(path, "before");
    await assertRejects(
      () => writeWhole(path, (write) => Promise.reject(write(bytes("x")) ?? new Error("no"))),
      Error,
      "no",
    );
    assertEquals(namesIn(directory), ["archive"]);
    assertEquals(Deno.readTextFileSync(path), "before");
    await writeWhole(path, (write) => Promise.resolve(write(bytes("after"))));
    assertEquals(Deno.readTextFileSync(path), "after");
  }));

Deno.test("writeWhole() writes to what is no file", async () => {
  await writeWhole("/dev/null", (write) => Promise.resolve(write(bytes("x"))));
  assertEquals(Deno.statSync("/dev/null").isCharDevice, true);
});
