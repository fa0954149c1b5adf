import { assertEquals, assertRejects } from "@std/assert";
import { Arrivals } from "../../../src/image/arrivals.ts";
import { digestOf } from "../../../src/image/hash.ts";
import { Store } from "../../../src/image/store.ts";

const LAYER = { mediaType: "x", digest: digestOf("layer"), size: 9 };

function arriving(download: (arrived: (bytes: number) => void) => Promise<void>): Arrivals {
  const arrivals = new Arrivals(new Store("/nowhere"));
  const promise = arrivals.follow(LAYER, download);
  promise.catch(() => {});
  arrivals.expect(new Map([[LAYER.digest, promise]]));
  return arrivals;
}

Deno.test("begun() resolves with the first bytes of a blob, which is then under way", async () => {
  const arrivals = arriving((arrived) => {
    arrived(3);
    return new Promise(() => {});
  });
  await arrivals.begun(LAYER.digest);
  assertEquals(arrivals.get(LAYER.digest)?.range.size, 9);
});

Deno.test("begun() resolves for a blob that was there all the time", async () => {
  const arrivals = arriving(() => Promise.resolve());
  await arrivals.begun(LAYER.digest);
  assertEquals(arrivals.get(LAYER.digest), undefined);
});

Deno.test("begun() rejects for a blob that failed behind its first bytes, however late it is asked", async () => {
  const arrivals = arriving(async (arrived) => {
    arrived(3);
    await Promise.resolve();
    throw new Error("verification failed");
  });
  await new Promise((done) => setTimeout(done));
  await assertRejects(() => arrivals.begun(LAYER.digest), Error, "verification failed");
});
