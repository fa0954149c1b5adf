import { assertEquals, assertRejects } from "@std/assert";
import { searchImages, splitTerm } from "../../../src/image/search.ts";

const TERMS: [text: string, domain: string, term: string][] = [
  ["busybox", "docker.io", "busybox"],
  ["team/app", "docker.io", "team/app"],
  ["docker.io/app", "docker.io", "app"],
  ["index.docker.io/app", "docker.io", "app"],
  ["localhost/app", "localhost", "app"],
  ["reg.example:5000/team/app", "reg.example:5000", "team/app"],
];
for (const [text, domain, term] of TERMS) {
  Deno.test(`splitTerm() asks ${domain} for "${text}"`, () => {
    assertEquals(splitTerm(text), { domain, term });
  });
}

/** The same as a stream of bytes, which every body is that came over the network. */
function received(response: Response): Response {
  const body = new ReadableStream({
    type: "bytes",
    async start(controller) {
      controller.enqueue(await response.bytes());
      controller.close();
    },
  });
  return new Response(body, response);
}

/** Runs `body` while Docker Hub answers with `answer`; the addresses that were asked. */
async function withHub(answer: () => Response, body: () => Promise<void>): Promise<string[]> {
  const real = globalThis.fetch;
  const asked: string[] = [];
  globalThis.fetch = (input) => {
    asked.push(String(input));
    return Promise.resolve(received(answer()));
  };
  try {
    await body();
  } finally {
    globalThis.fetch = real;
  }
  return asked;
}

Deno.test("searchImages() reads Docker Hub's answer, most stars first", async () => {
  const results = [
    { name: "a/busybox", description: "mine", star_count: 2, is_official: false },
    { name: "busybox", description: "Busybox base image.", star_count: 3400, is_official: true },
    { name: "bare" },
  ];
  const asked = await withHub(
    () => Response.json({ num_results: 3, query: "busy box", results }),
    async () => {
      assertEquals(await searchImages("busy box", 25, new Map()), [
        { name: "busybox", description: "Busybox base image.", stars: 3400, official: true },
        { name: "a/busybox", description: "mine", stars: 2, official: false },
        { name: "bare", description: "", stars: 0, official: false },
      ]);
    },
  );
  assertEquals(asked, ["https://index.docker.io/v1/search?q=busy+box&n=25"]);
});

Deno.test("searchImages() finds nothing in an empty answer, and tells of a refusal", async () => {
  await withHub(() => Response.json({}), async () => {
    assertEquals(await searchImages("x", 5, new Map()), []);
  });
  await withHub(() => new Response("slow down", { status: 429 }), async () => {
    await assertRejects(() => searchImages("x", 5, new Map()), Error, "toomanyrequests: slow down");
  });
});
