/** Completion tried in the shells themselves: what is on the screen after the tab key. */
import { Engine, PROGRAM } from "../lib/engine.ts";
import { PseudoTerminal } from "../lib/pseudo_terminal.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const engine = new Engine();
const box = engine.rootfs("box");
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

interface Shell {
  readonly argv: readonly string[];
  /** Makes the script known, and shows READY when it is. */
  readonly load: string;
}

const SHELLS: Record<string, Shell> = {
  bash: {
    argv: ["bash", "--norc", "--noprofile", "-i"],
    load: "PS1='$ '; source <(diplodock completion bash); echo REA''DY",
  },
  zsh: {
    argv: ["zsh", "-f", "-i"],
    load: "PS1='$ '; autoload -U compinit; compinit -u -D; source <(diplodock completion zsh); " +
      "unsetopt beep; echo REA''DY",
  },
  fish: {
    argv: ["fish", "--no-config", "-i"],
    load: "diplodock completion fish | source; echo REA''DY",
  },
};

/** Typed and the tab key behind it; what then stands in the line. */
const CASES: [typed: string, line: RegExp][] = [
  ["diplodock vers", /diplodock version /],
  ["diplodock container pru", /diplodock container prune /],
  ["diplodock inspect lon", /diplodock inspect lonely /],
  ["diplodock run --network-al", /diplodock run --network-alias /],
  ["diplodock volume rm dat", /diplodock volume rm datadir /],
  ["diplodock run --network hos", /diplodock run --network host /],
  ["diplodock cp lon", /diplodock cp lonely:/],
  ["diplodock cp ./fil", /diplodock cp \.\/file-of-mine /],
  ["diplodock cp lonely:/etc/passwd ./fil", /lonely:\/etc\/passwd \.\/file-of-mine /],
  ["diplodock load -i ./fil", /diplodock load -i \.\/file-of-mine /],
];

let made: Promise<unknown> | undefined;

async function make(): Promise<void> {
  Deno.mkdirSync(engine.path("bin"));
  Deno.mkdirSync(engine.path("here"));
  Deno.symlinkSync(Deno.realPathSync(PROGRAM), engine.path("bin/diplodock"));
  engine.file("here/file-of-mine", "");
  await engine.ok("volume", "create", "datadir");
  const flags = ["--network", "none", "--rootfs", `${box}:O`];
  await engine.ok("create", "--name", "lonely", ...flags, "/bin/true");
}

for (const [name, shell] of Object.entries(SHELLS)) {
  const can = isRoot() && hasProgram(name);
  Deno.test({
    name: `${name} completes commands, flags, names and files`,
    ...skipUnless(can, `needs root and ${name}`),
    fn: async (t) => {
      await (made ??= make());
      using terminal = new PseudoTerminal();
      const env = {
        ...engine.env,
        PATH: `${engine.path("bin")}:/usr/sbin:/usr/bin:/sbin:/bin`,
        HOME: engine.path("here"),
        TERM: "dumb",
      };
      const process = terminal.run(env, ...shell.argv);
      terminal.type(`cd ${engine.path("here")}; ${shell.load}\r`);
      await terminal.until(/READY\r?\n/);
      for (const [typed, line] of CASES) {
        await t.step(typed, async () => {
          terminal.shown = "";
          terminal.type(`${typed}\t`);
          await terminal.until(line);
          terminal.type("\x15"); // kills the line
        });
      }
      terminal.shown = "";
      terminal.type("\x15exit\r");
      await process.status;
    },
  });
}
