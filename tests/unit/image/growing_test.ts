import { assertEquals, assertRejects } from "@std/assert";
import { Growth, readGrowing, RestartedError } from "../../../src/image/growing.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Reads a file of `size` bytes that `write` makes grow; what came. */
async function reading(
  size: number,
  write: (path: string, growth: Growth, rename: (to: string) => void) => void,
): Promise<number[]> {
  const directory = Deno.makeTempDirSync();
  let path = `${directory}/part`;
  const growth = new Growth();
  const range = {
    get path() {
      return path;
    },
    offset: 0,
    size,
  };
  const came: number[] = [];
  try {
    const reader = (async () => {
      for await (const chunk of readGrowing(range, growth)) came.push(...(chunk as Bytes));
    })();
    write(path, growth, (to) => {
      Deno.renameSync(path, `${directory}/${to}`);
      path = `${directory}/${to}`;
    });
    await reader;
    return came;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("readGrowing() reads no further than what has come, and all of it in the end", async () => {
  const came = await reading(4, (path, growth) => {
    Deno.writeFileSync(path, new Uint8Array([1, 2, 9, 9]));
    growth.reach(2);
    setTimeout(() => {
      Deno.writeFileSync(path, new Uint8Array([1, 2, 3, 4]));
      growth.reach(4);
    });
  });
  assertEquals(came, [1, 2, 3, 4]);
});

Deno.test("readGrowing() finds a file that was renamed before it was opened", async () => {
  const came = await reading(2, (path, growth, rename) => {
    Deno.writeFileSync(path, new Uint8Array([1, 2]));
    growth.reach(2);
    rename("blob");
  });
  assertEquals(came, [1, 2]);
});

Deno.test("readGrowing() fails with the reason why no more comes", async () => {
  await assertRejects(
    () => reading(4, (_, growth) => growth.fail(new Error("cut"))),
    Error,
    "cut",
  );
});

Deno.test("readGrowing() fails when the file begins anew", async () => {
  await assertRejects(
    () =>
      reading(9, (path, growth) => {
        Deno.writeFileSync(path, new Uint8Array([1, 2, 3, 4]));
        growth.reach(4);
        growth.reach(1);
      }),
    RestartedError,
  );
});
