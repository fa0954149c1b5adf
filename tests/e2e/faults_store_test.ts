/**
 * The store as a power cut may leave it: each small file of images, layers, volumes and networks
 * empty, cut short or gone. What needs it says which file it is; what does not goes on.
 */
import { assert, assertEquals } from "@std/assert";
import { Engine } from "../lib/engine.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

enterTestNetwork();
const engine = new Engine();
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

const FILES: [name: string, find: () => string][] = [
  ["the list of images", () => `${engine.root}/images/index.json`],
  ["an image's record", () => only(`${engine.root}/images/records`)],
  ["a layer's record", () => `${onlyLayer()}/layer.json`],
  ["a volume's record", () => `${engine.root}/volumes/vol/volume.json`],
  ["a network's record", () => `${engine.root}/networks/net.json`],
];

const DAMAGES: [name: string, damage: (path: string) => void][] = [
  ["empty", (path) => Deno.truncateSync(path, 0)],
  ["cut short", (path) => Deno.truncateSync(path, Math.floor(Deno.statSync(path).size / 2))],
  ["gone", (path) => Deno.removeSync(path)],
];

const COMMANDS = [
  ["images"],
  ["ps", "-a"],
  ["volume", "ls"],
  ["network", "ls"],
  ["system", "df"],
  ["run", "--rm", "--pull", "never", "--network", "none", "bb", "/bin/echo", "ran"],
  ["run", "--rm", "--pull", "never", "--network", "none", "-v", "vol:/v", "bb", "/bin/echo", "ran"],
  ["run", "--rm", "--network", "none", "host", "/bin/echo", "ran"],
];

function only(directory: string): string {
  const [{ name }] = [...Deno.readDirSync(directory)];
  return `${directory}/${name}`;
}

function onlyLayer(): string {
  const [{ name }] = [...Deno.readDirSync(`${engine.root}/layers`)].filter(({ name }) =>
    /^[0-9a-f]{64}$/.test(name)
  );
  return `${engine.root}/layers/${name}`;
}

Deno.test({
  name: "a file of the store that is lost is named, and only what needs it fails",
  ...skipUnless(isRoot(), "needs root"),
  fn: async () => {
    const tar = engine.path("bb.tar"), root = engine.rootfs("bb");
    await new Deno.Command("tar", { args: ["-C", root, "-cf", tar, "."] }).output();
    await engine.ok("import", tar, "bb");
    await engine.ok("volume", "create", "vol");
    await engine.ok("volume", "create", "other");
    await engine.ok("network", "create", "--subnet", "10.213.7.0/24", "net");
    for (const [what, find] of FILES) {
      const path = find(), sound = Deno.readFileSync(path);
      for (const [how, damage] of DAMAGES) {
        damage(path);
        let worked = 0;
        for (const words of COMMANDS) {
          const { code, stderr } = await engine.dd(...words);
          const told = `${what} ${how}: ${words.join(" ")}: ${code} ${stderr}`;
          assert(!stderr.includes("internal error") && !stderr.includes("    at "), told);
          assert(!stderr.includes("os error"), told);
          if (code === 0) worked++;
          else assert(stderr.includes(path) || how === "gone", told);
        }
        assert(worked >= 3, `${what} ${how}: only ${worked} commands worked`);
        Deno.writeFileSync(path, sound);
      }
      // Listings show the others.
      if (/volume|network/.test(what)) {
        Deno.truncateSync(path, 0);
        const group = what.includes("volume") ? "volume" : "network";
        const { code, stdout, stderr } = await engine.dd(group, "ls", "-q");
        assertEquals(code, 1);
        assert(stdout !== "" && stderr.includes(path), stdout + stderr);
        assertEquals((await engine.dd("system", "df")).code, 0);
        Deno.writeFileSync(path, sound);
      }
      for (const words of COMMANDS) assertEquals((await engine.dd(...words)).code, 0);
    }
    await engine.ok("network", "rm", "net");
  },
});
