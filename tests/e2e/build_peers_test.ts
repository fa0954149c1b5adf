/**
 * What docker's classic builder and podman make of Dockerfiles, and that we make the same. Theirs is
 * in tests/golden/build.json: building it takes two minutes. RECORD_BUILDS=1 asks them anew.
 */
import { assertEquals } from "@std/assert";
import { Engine, type Result } from "../lib/engine.ts";
import { busyboxRoot, runProgram } from "../lib/oci_box.ts";
import { type Peer, startDocker, startPodman } from "../lib/peer_engines.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";
import { describeTree } from "../lib/tree.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";

enterTestNetwork();

/** What all Dockerfiles find in their context. */
const CONTEXT: Record<string, string> = {
  "a.txt": "a\n",
  "dir/f": "f\n",
  "dir/sub/deep": "deep\n",
  "dir/link": "-> f",
  "dir/dangling": "-> /nowhere",
  "docs/keep.md": "kept\n",
  "docs/drop.md": "dropped\n",
  "ignored/x": "x\n",
  ".dockerignore": "ignored\ndocs/*\n!docs/keep.md\nDockerfile*\n",
};

interface Case {
  readonly name: string;
  readonly dockerfile: string;
  readonly flags?: readonly string[];
  /** Why podman is not asked. */
  readonly withoutPodman?: string;
}

const CASES: readonly Case[] = [
  {
    name: "config instructions",
    dockerfile: `FROM small
ENV A=1 B="two words" C='$A' D=x\\ y
ENV E $A and more
LABEL one=1 "two three"="$B" four='it''s'
MAINTAINER somebody
EXPOSE 80 443/tcp 53/udp
VOLUME /data /x$A
USER 1000:1001
STOPSIGNAL SIGUSR1
CMD echo $A`,
  },
  {
    name: "WORKDIR",
    withoutPodman: "it makes no directory of it",
    dockerfile: "FROM small\nWORKDIR /w\nWORKDIR sub/../other",
  },
  {
    name: "what OCI's config has no place for",
    withoutPodman: "it shows them under other names",
    dockerfile: `FROM small
SHELL ["/bin/sh", "-ec"]
CMD echo $A
HEALTHCHECK --interval=5s --retries=2 CMD true
ONBUILD RUN echo later`,
  },
  {
    name: "an entrypoint resets the base's command",
    dockerfile: `FROM small AS base
CMD ["base"]
FROM base
ENTRYPOINT ["entry", "point"]`,
  },
  {
    name: "an entrypoint behind a command",
    dockerfile: 'FROM small\nCMD ["of", "its", "own"]\nENTRYPOINT entry $X',
  },
  {
    name: "variables",
    flags: ["--build-arg", "V=given"],
    dockerfile: `ARG V=default
ARG W=\${V:-none}
FROM small
ARG V
ARG W
ARG X=\${V}-x
ENV N=\${UNSET:-fallback} P=\${V:+plus} Q="\${V}" R='\${V}' S=\\$V T=\${UNSET:+no}
LABEL v=$V w=$W x=$X
RUN echo $V $X > /out; echo "$N $P $Q $R $S" >> /out`,
  },
  {
    name: "COPY of files and directories",
    dockerfile: `FROM small
WORKDIR /w
COPY a.txt one
COPY a.txt two/
COPY a.txt dir/f three/
COPY dir four
COPY dir /five/
COPY d*r/f* six/
COPY . /all
COPY ["a.txt", "with blank"]
COPY dir/link followed
COPY --chown=7:8 dir owned
COPY a.txt one`,
  },
  {
    name: "RUN changes, removes and replaces",
    dockerfile: `FROM small
RUN mkdir -p /d/e && echo 1 > /d/f && echo 2 > /d/e/g && ln -s f /d/l && ln /d/e/g /d/h
RUN rm -r /d/e && echo 3 >> /d/f && mkdir /d/e && touch /d/e/new
RUN chmod 4755 /d/f && mkfifo /p && chown 5:6 /d && rm /d/l
RUN ["/bin/sh", "-c", "echo $PWD > /pwd"]
RUN mkdir /free && chmod 777 /free
USER 12
RUN id -u > /free/id`,
  },
  {
    name: "stages",
    flags: ["--target", "last"],
    dockerfile: `FROM small AS first
RUN mkdir /made && echo made > /made/it
FROM first AS second
ENV FROM_SECOND=1
RUN echo more > /made/more
FROM scratch AS last
COPY --from=second /made /made/
COPY --from=0 /made/it /it
COPY --from=small /bin/busybox /bin/
FROM small
RUN false`,
  },
  {
    name: "ADD of archives",
    dockerfile:
      "FROM small\nADD packed.tgz /un/packed/\nADD a.txt packed.tgz /two/\nADD plain.gz /p/",
  },
  {
    name: "ADD of an archive with an entry for its root",
    withoutPodman: "it gives the target the owner of that entry",
    dockerfile: "FROM small\nADD dot.tgz /un/packed/",
  },
];

const context = Deno.makeTempDirSync({ prefix: "diplodock-context-" });
const unpacked = Deno.makeTempDirSync({ prefix: "diplodock-trees-" });
const engine = new Engine();
Deno.test.afterAll(async () => {
  for (const path of [context, unpacked]) Deno.removeSync(path, { recursive: true });
  await engine[Symbol.asyncDispose]();
});

async function makeContext(): Promise<void> {
  for (const [name, text] of Object.entries(CONTEXT)) {
    const path = `${context}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (text.startsWith("-> ")) Deno.symlinkSync(text.slice(3), path);
    else Deno.writeTextFileSync(path, text);
  }
  Deno.chmodSync(`${context}/dir/sub`, 0o700);
  Deno.chmodSync(`${context}/dir/f`, 0o640);
  Deno.writeTextFileSync(`${context}/plain.gz`, "no archive");
  const pack = ["tar", "--owner=3", "--group=4", "-C", `${context}/dir`, "-czf"];
  for (const [name, ...files] of [["dot.tgz", "."], ["packed.tgz", "f", "sub", "link"]]) {
    assertEquals((await runProgram([...pack, `${context}/${name}`, ...files])).code, 0);
  }
}

/** A command line of an engine; ours or a peer's. */
type Run = (...args: string[]) => Promise<Result>;

async function must(run: Run, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  if (code !== 0) throw new Error(`${args.join(" ")}: ${code}\n${stdout}${stderr}`);
  return stdout;
}

/** The parts of a config that a Dockerfile decides; what is empty is left out. */
async function configOf(run: Run): Promise<Record<string, unknown>> {
  const [{ Config, Author }] = JSON.parse(await must(run, "image", "inspect", "built"));
  const names = ["User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir"]
    .concat(["Labels", "StopSignal", "Healthcheck", "Shell", "OnBuild"]);
  const parts = names.map((name) => [name, Config[name]]).filter(([name, value]) =>
    // buildah adds a label of its own.
    value && Object.keys(value).length > 0 && !(name === "WorkingDir" && value === "/")
  );
  const config = Object.fromEntries(parts);
  if (config.Labels) {
    const { "io.buildah.version": _, ...labels } = config.Labels;
    config.Labels = labels;
    if (Object.keys(labels).length === 0) delete config.Labels;
  }
  return { ...config, ...(Author && { Author }) };
}

/** What engines put into every container. */
const OF_ENGINE =
  /^\w+ "(?:dev|proc|sys|etc\/(?:hosts|hostname|resolv\.conf|mtab)|etc|run|\.dockerenv|run\/.*|dev\/.*)"/;

/** The files of the image, without times. */
async function treeOf(run: Run, name: string): Promise<string[]> {
  const id = (await must(run, "create", "built", "/none")).trim();
  const archive = `${unpacked}/${name}.tar`, root = `${unpacked}/${name}`;
  await must(run, "export", "-o", archive, id);
  await must(run, "rm", id);
  Deno.mkdirSync(root);
  const unpack = ["tar", "-C", root, "--numeric-owner", "-xpf", archive];
  assertEquals((await runProgram(unpack)).code, 0);
  const lines = describeTree(root, { withoutDirectoryTimes: true, withoutXattrs: true })
    .filter((line) => !OF_ENGINE.test(line))
    .map((line) => line.replace(/ \d+\.\d{9}(?= |$)/, ""));
  Deno.removeSync(root, { recursive: true });
  Deno.removeSync(archive);
  return lines;
}

async function build(run: Run, { flags = [] }: Case, network: readonly string[]): Promise<void> {
  const words = [...network, ...flags, "-t", "built", "-f", `${context}/Dockerfile`, context];
  await must(run, "build", ...words);
}

/** What an engine makes of a Dockerfile. */
async function made(run: Run, one: Case, network: readonly string[]): Promise<unknown> {
  Deno.writeTextFileSync(`${context}/Dockerfile`, one.dockerfile);
  await build(run, one, network);
  return { config: await configOf(run), tree: await treeOf(run, "tree") };
}

const ours: Run = (...args) => engine.dd(...args);
const NETWORK = ["--network", "none"];
const GOLDEN = new URL("../golden/build.json", import.meta.url);
const PEERS = { docker: () => startDocker("runc"), podman: startPodman };

/** Asks both peers, and writes down what they made. */
async function record(): Promise<void> {
  const golden: Record<string, Record<string, unknown>> = {};
  for (const [name, start] of Object.entries(PEERS)) {
    await using peer: Peer = await start();
    const env = { ...peer.env, DOCKER_BUILDKIT: "0" };
    const theirs: Run = (...args) => runProgram([...peer.argv, ...args], { env });
    const flags = name === "podman" ? [...NETWORK, "--format", "docker"] : NETWORK;
    for (const one of CASES) {
      if (name === "podman" && one.withoutPodman) continue;
      golden[one.name] = { ...golden[one.name], [name]: await made(theirs, one, flags) };
    }
  }
  Deno.writeTextFileSync(GOLDEN, JSON.stringify(golden, undefined, 1) + "\n");
}

/** The bytes of busybox are the machine's, and archives have the time at which they were made. */
function withoutSizes(result: unknown): unknown {
  const line = /("file \\"[^"]*(?:bin\/busybox|\.tgz)\\" \d+ 0:0) size=\d+ [0-9a-f]+/g;
  return JSON.parse(JSON.stringify(result).replace(line, "$1"));
}

Deno.test({
  name: "images are built as docker and podman build them",
  ...skipUnless(isRoot() && hasProgram("busybox"), "needs root and busybox"),
  async fn(t) {
    await makeContext();
    if (Deno.env.get("RECORD_BUILDS") === "1") await record();
    const golden = JSON.parse(Deno.readTextFileSync(GOLDEN));
    busyboxRoot(`${unpacked}/rootfs`);
    const archive = `${unpacked}/rootfs.tar`;
    const pack = ["tar", "-C", `${unpacked}/rootfs`, "-cf", archive, "."];
    assertEquals((await runProgram(pack)).code, 0);
    await must(ours, "import", archive, "small");
    for (const one of CASES) {
      await t.step(one.name, async () => {
        const own = withoutSizes(await made(ours, one, NETWORK));
        for (const [peer, theirs] of Object.entries(golden[one.name])) {
          assertEquals(own, withoutSizes(theirs), `${peer} makes it otherwise`);
        }
      });
    }
  },
});
