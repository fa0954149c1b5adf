import { assert, assertEquals } from "@std/assert";
import { complete, type Names } from "../../../src/cli/complete.ts";
import { command as completion } from "../../../src/cli/completion.ts";

const NAMES: Names = {
  containerNames: (running) => running ? ["web"] : ["db", "web"],
  imageNames: () => Promise.resolve(["host", "nginx:latest", "busybox:1"]),
  volumeNames: () => Promise.resolve(["data"]),
  networkNames: () => Promise.resolve(["bridge", "mine"]),
};

async function words(...args: string[]): Promise<string[]> {
  const { candidates } = await complete(args, () => Promise.resolve(NAMES));
  return candidates.map(([word]) => word);
}

Deno.test("complete() offers commands and groups for the first word", async () => {
  assert((await words("")).includes("version"));
  assertEquals(await words("versi"), ["version"]);
  assert((await words("")).includes("image"));
  assert(!(await words("")).some((word) => word.includes(" ") || word.startsWith("__")));
  assertEquals(await words("--v"), ["--version"]);
});

Deno.test("complete() offers the verbs of a group", async () => {
  assertEquals(await words("image", "l"), ["load", "ls", "list"]);
});

Deno.test("complete() offers flags, values that are known, and arguments", async () => {
  assertEquals(await words("version", "--"), ["--format", "--help"]);
  assertEquals(await words("completion", ""), ["bash", "fish", "zsh"]);
  assertEquals(await words("completion", "bash", ""), []);
  assertEquals(await words("image", "ls", "ng"), ["nginx:latest"]);
  assertEquals(await words("nosuch", ""), []);
});

Deno.test("complete() leaves alone the value of a flag that names nothing", async () => {
  assertEquals(await words("version", "--format", ""), []);
  assertEquals(await words("version", "--format=", ""), []);
});

for (const shell of ["bash", "zsh", "fish"]) {
  Deno.test(`the completion script of ${shell} is right for its shell, where that is there`, async () => {
    const written: Uint8Array[] = [];
    const write = Deno.stdout.write;
    Deno.stdout.write = (bytes: Uint8Array) => {
      written.push(bytes.slice());
      return Promise.resolve(bytes.length);
    };
    try {
      assertEquals(await completion([shell]), 0);
    } finally {
      Deno.stdout.write = write;
    }
    const script = new TextDecoder().decode(written[0]);
    assert(script.includes("__complete --"));
    try {
      const checked = new Deno.Command(shell, { args: ["-n"], stdin: "piped", stderr: "piped" })
        .spawn();
      const writer = checked.stdin.getWriter();
      await writer.write(new TextEncoder().encode(script));
      await writer.close();
      const { success, stderr } = await checked.output();
      assert(success, new TextDecoder().decode(stderr));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  });
}
