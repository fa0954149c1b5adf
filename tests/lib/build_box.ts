/** Builds on a small image of an engine of their own. */
import { assert, assertEquals } from "@std/assert";
import { Engine, type Result } from "./engine.ts";
import { isRoot, skipUnless } from "./skip.ts";

/** An engine with an image of busybox alone, called base; what is built is called x. */
export class BuildBox {
  readonly engine = new Engine();
  #base: Promise<unknown> | undefined;
  #serial = 0;

  constructor() {
    Deno.test.afterAll(() => this.engine[Symbol.asyncDispose]());
  }

  /** A test that finds `base`, and must leave no container. */
  test(name: string, fn: () => Promise<void>): void {
    Deno.test({
      name,
      ...skipUnless(isRoot(), "needs root"),
      fn: async () => {
        await (this.#base ??= this.#import());
        await fn();
        assertEquals(this.engine.ids(), [], "containers are left");
      },
    });
  }

  async #import(): Promise<void> {
    const { engine } = this;
    const root = engine.rootfs("rootfs", (directory) => {
      Deno.mkdirSync(`${directory}/etc`);
      Deno.writeTextFileSync(`${directory}/etc/passwd`, "root:x:0:0::/:/bin/sh\napp:x:7:8::/:\n");
      Deno.writeTextFileSync(`${directory}/etc/group`, "root:x:0:\napps:x:9:\n");
      Deno.mkdirSync(`${directory}/real`);
      Deno.symlinkSync("/real", `${directory}/link`);
    });
    const archive = engine.path("base.tar");
    const { success } = await new Deno.Command("tar", { args: ["-C", root, "-cf", archive, "."] })
      .output();
    assert(success);
    await engine.ok("import", "-c", "ENV PATH=/bin", archive, "base");
  }

  /** A build context of these files. */
  context(files: Record<string, string>): string {
    return writeContext(this.engine.path(`context${this.#serial++}`), files);
  }

  async build(directory: string, ...flags: string[]): Promise<Result> {
    return await this.engine.dd("build", "--network", "none", "-t", "x", ...flags, directory);
  }

  async built(directory: string, ...flags: string[]): Promise<Result> {
    const result = await this.build(directory, ...flags);
    assertEquals(result.code, 0, result.stderr);
    return result;
  }

  /** What a command says in a container of x. */
  async run(...words: string[]): Promise<string> {
    return await this.engine.ok("run", "--rm", "--network", "none", "x", ...words);
  }
}

/** Fills a new directory: a name that ends in "/" is a directory, a text "-> x" a link. */
export function writeContext(directory: string, files: Readonly<Record<string, string>>): string {
  Deno.mkdirSync(directory);
  for (const [name, text] of Object.entries(files)) {
    const path = `${directory}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (text.startsWith("-> ")) Deno.symlinkSync(text.slice(3), path);
    else if (!name.endsWith("/")) Deno.writeTextFileSync(path, text);
  }
  return directory;
}

/** What the commands of a build said, without the numbers of its plain progress. */
export function saidIn(progress: string): string[] {
  return [...progress.matchAll(/^#\d+ \d+\.\d+ (.*)$/gm)].map(([, text]) => text);
}
