/** The events of a life: which, in which order, with which attributes; as docker tells them. */
import { assertEquals } from "@std/assert";
import { Engine, waitFor } from "../lib/engine.ts";
import { PseudoTerminal } from "../lib/pseudo_terminal.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";

enterTestNetwork();
const engine = new Engine();
const box = engine.rootfs("box");
Deno.test.afterAll(() => engine[Symbol.asyncDispose]());

interface Message {
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  timeNano: number;
}

/** What is the same in all events of a container, and ids. */
const BORING = ["image", "container", "execID", "comment", "imageID"];

function describe({ Type, Action, Actor: { Attributes } }: Message): string {
  const rest = Object.entries(Attributes).filter(([key]) => !BORING.includes(key));
  const shown = rest.map(([key, value]) => `${key}=${value.replace(/sha256:\S+/, "<id>")}`);
  return [Type, Action.trim(), ...shown].join(" ");
}

let seen = 0;

/** The events since the last call. */
async function news(): Promise<string[]> {
  const lines = (await engine.ok("events", "--until", "0s", "--format", "json")).split("\n");
  const all = lines.filter(Boolean).map((line) => describe(JSON.parse(line)));
  return all.slice(seen, seen = all.length);
}

async function make(name: string, ...args: string[]): Promise<void> {
  await engine.ok("create", "--name", name, "--network", "none", "-l", "k=v", ...args);
}

const NONE = "name=none type=null";
const MOUNT = "destination=/data driver=local propagation= read/write=true";
const WHO = "k=v name=one";
const STARTED = [`network connect ${NONE}`, `volume mount ${MOUNT}`, `container start ${WHO}`];
const DIED = [
  `container die exitCode=137 ${WHO}`,
  `network disconnect ${NONE}`,
  "volume unmount driver=local",
];

/** docker's events for each of these command lines, one after the other. */
const LIFE: [line: string, events: string[]][] = [
  ["start one", STARTED],
  ["exec one true", [
    `container exec_create: true ${WHO}`,
    `container exec_start: true ${WHO}`,
    `container exec_die exitCode=0 ${WHO}`,
  ]],
  ["exec one sh -c true", [
    `container exec_create: sh -c true ${WHO}`,
    `container exec_start: sh -c true ${WHO}`,
    `container exec_die exitCode=0 ${WHO}`,
  ]],
  ["pause one", [`container pause ${WHO}`]],
  ["unpause one", [`container unpause ${WHO}`]],
  ["update --pids-limit 50 one", [`container update ${WHO}`]],
  ["top one", [`container top ${WHO}`]],
  ["kill -s WINCH one", [`container kill ${WHO} signal=28`]],
  ["kill one", [`container kill ${WHO} signal=9`, ...DIED]],
  ["start one", STARTED],
  ["stop -t 0 one", [`container kill ${WHO} signal=9`, ...DIED, `container stop ${WHO}`]],
  ["commit one im", ["image tag k=v name=im:latest", `container commit imageRef=im:latest ${WHO}`]],
  ["restart -t 0 one", [...STARTED, `container restart ${WHO}`]],
  ["cp one:/bin/sh -", [`container archive-path ${WHO}`]],
  ["rename one two", ["container rename k=v name=two oldName=/one"]],
  ["rename two one", ["container rename k=v name=one oldName=/two"]],
  ["export -o /dev/null one", [`container export ${WHO}`]],
  ["tag im other:1", ["image tag k=v name=other:1"]],
  ["save -o /dev/null im", ["image save k=v name=<id>"]],
  ["rmi other:1", ["image untag k=v name=<id>"]],
  ["rmi im", ["image untag k=v name=<id>", "image delete name=<id>"]],
  ["rm -f one", [`container kill ${WHO} signal=9`, ...DIED, `container destroy ${WHO}`]],
  ["volume rm vol", ["volume destroy driver=local"]],
  ["network create net", ["network create name=net type=bridge"]],
  ["network rm net", ["network destroy name=net type=bridge"]],
  ["volume create v2", ["volume create driver=local"]],
  ["create --name late --network none -v v2:/data bb true", ["container create name=late"]],
  ["rm late", ["container destroy name=late"]],
  ["volume prune -af", ["volume destroy driver=local", "volume prune reclaimed=0"]],
];

Deno.test({
  name: "the events of a life are docker's",
  ...skipUnless(isRoot(), "needs root"),
  fn: async (t) => {
    const tar = await new Deno.Command("tar", { args: ["-C", box, "-c", "."] }).output();
    await engine.with({ stdin: tar.stdout }, "import", "-", "bb");
    assertEquals(await news(), ["image tag name=bb:latest", "image import name=<id>"]);
    await make("one", "-v", "vol:/data", "-it", "bb", "/bin/sh");
    assertEquals(await news(), ["volume create driver=local", `container create ${WHO}`]);
    for (const [line, events] of LIFE) {
      await t.step(line, async () => {
        await engine.ok(...line.split(" "));
        assertEquals(await news(), events);
      });
    }
  },
});

Deno.test({
  name: "events of a run in the foreground, with --rm and on a network",
  ...skipUnless(isRoot(), "needs root"),
  fn: async () => {
    await engine.ok("network", "create", "front");
    await news();
    await engine.ok(
      ...["run", "--rm", "--name", "three", "--network", "front", "-v", "/anonymous"],
      ...["--rootfs", `${box}:O`, "/bin/sh", "-c", "exit 0"],
    );
    assertEquals(await news(), [
      "volume create driver=local",
      "container create name=three",
      "container attach name=three",
      "network connect name=front type=bridge",
      "volume mount destination=/anonymous driver=local propagation= read/write=true",
      "container start name=three",
      "container die exitCode=0 name=three",
      "network disconnect name=front type=bridge",
      "volume unmount driver=local",
      "container destroy name=three",
      "volume destroy driver=local",
    ]);
  },
});

Deno.test({
  name: "attach, resize and detach of a terminal are told",
  ...skipUnless(isRoot(), "needs root"),
  fn: async () => {
    await make("four", "-it", "--rootfs", `${box}:O`, "/bin/sh");
    await engine.ok("start", "four");
    await news();
    using terminal = new PseudoTerminal();
    const client = terminal.spawn(engine, "attach", "four");
    await terminal.until(/[#$] /);
    terminal.resize(30, 100);
    const told: string[] = [];
    await waitFor(async () => (told.push(...await news()), told.join().includes("height=30")));
    terminal.type("\x10\x11");
    await client.status;
    told.push(...await news());
    assertEquals(told.filter((line) => !line.includes("resize")), [
      "container attach k=v name=four",
      "container detach k=v name=four",
    ]);
    assertEquals(told.filter((line) => line.includes("resize")), [
      "container resize height=24 k=v name=four width=80",
      "container resize height=30 k=v name=four width=100",
    ]);
    await engine.ok("rm", "-f", "four");
  },
});
