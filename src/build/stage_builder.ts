/** Carries out the instructions of one stage, one after the other. */
import { UserError } from "../base/errors.ts";
import { digestOf } from "../image/hash.ts";
import type { Digest } from "../image/digest.ts";
import { joinWorkdir } from "../image/instruction_parts.ts";
import { type CachedStep, findStep, keepStep } from "../image/build_cache.ts";
import type { Session } from "../image/session.ts";
import type { BuildRequest } from "./build_request.ts";
import type { ImportedCaches } from "./cache_import.ts";
import { commandWords, configStep } from "./config_step.ts";
import { LayerWriter } from "./copy_layer.ts";
import { copyDigest, copyStep, planCopy } from "./copy_step.ts";
import type { Work } from "./events.ts";
import { expand } from "../image/expand.ts";
import { type Heredoc, heredocOf } from "./heredoc.ts";
import type { CopyInstruction, Instruction, RunInstruction } from "./instruction.ts";
import { placeMounts } from "./place_mounts.ts";
import { parseRunMount, type RunMount } from "./run_mounts.ts";
import { runCommand } from "./run_command.ts";
import { runStep } from "./run_step.ts";
import type { StageScope } from "./scope.ts";
import type { SourceTree } from "./source_tree.ts";
import {
  type BuiltLayer,
  chainOf,
  filesKey,
  type StageState,
  unpackedLayers,
  withStep,
} from "./stage_state.ts";

/** What a stage needs of the whole build. */
export interface StageContext {
  readonly scope: StageScope;
  readonly escape: string;
  /** Whether what was made before may be taken. */
  readonly usesCache: boolean;
  /** What was made elsewhere. */
  readonly caches: ImportedCaches;
  treeOf(source: string | undefined): Promise<SourceTree>;
}

/** What an instruction changes beside its layer. */
type StepChanges = Pick<Parameters<typeof withStep>[1], "config" | "author" | "isWhole">;

export class StageBuilder {
  #hasCmd = false;
  readonly #steps: CachedStep[] = [];

  constructor(
    readonly session: Session,
    readonly request: BuildRequest,
    readonly context: StageContext,
    public state: StageState,
  ) {}

  /** Carries out an instruction. Throws UserError. */
  async step(step: Instruction, work: Work): Promise<void> {
    switch (step.kind) {
      case "run":
        return await this.#run(step, work);
      case "copy":
      case "add":
        return await this.#copy(step, work);
      case "workdir":
        return await this.#workdir(this.#word(step.text), work);
      case "arg": {
        const text = this.context.scope.declare(step, this.#env);
        return await this.#settle(`ARG ${text}`, work, this.state.config);
      }
      default: {
        const done = configStep(step, {
          config: this.state.config,
          lookup: this.#lookup,
          escape: this.context.escape,
          hasCmd: this.#hasCmd,
        });
        if (done === undefined) throw new UserError(`${step.line.name} cannot stand here`);
        this.#hasCmd ||= step.kind === "cmd";
        return await this.#settle(done.createdBy, work, done.config, done.author);
      }
    }
  }

  /** What the cache remembers of the instructions so far. */
  get steps(): readonly CachedStep[] {
    return this.#steps;
  }

  /** `--label`. */
  label(labels: Readonly<Record<string, string>>): void {
    const { config } = this.state;
    this.state = { ...this.state, config: { ...config, Labels: { ...config.Labels, ...labels } } };
  }

  get #env(): readonly string[] {
    return this.state.config.Env ?? [];
  }

  get #lookup() {
    return this.context.scope.lookup(this.#env);
  }

  #word(text: string): string {
    return expand(text, this.#lookup, this.context);
  }

  /** An instruction that makes no files: only when it was carried out first is remembered. */
  #settle(
    createdBy: string,
    work: Work,
    config: StageState["config"],
    author?: string,
  ): Promise<void> {
    const key = [createdBy, this.state.config, this.state.history.length, filesKey(this.state)];
    return this.#cached(["config", ...key], createdBy, work, () => Promise.resolve(undefined), {
      config,
      ...(author && { author }),
    });
  }

  /**
   * Makes a layer, or takes the one that the same instruction has made before. `parts` are all that
   * it depends on.
   */
  async #cached(
    parts: readonly unknown[],
    createdBy: string,
    work: Work,
    make: () => Promise<BuiltLayer | undefined>,
    more: StepChanges = {},
  ): Promise<void> {
    const key = digestOf(JSON.stringify(parts));
    // What this machine's own root holds may be something else tomorrow.
    const isKept = !this.state.isHost;
    const before = isKept && this.context.usesCache ? await this.#before(key) : undefined;
    if (before !== undefined) {
      work.cached();
      this.#steps.push(before);
      this.#take(before.created, createdBy, before.layer, more);
      return;
    }
    const layer = await make();
    const created = new Date().toISOString();
    this.#take(created, createdBy, layer, more);
    if (isKept) this.#keep(key, created, createdBy, layer);
  }

  /** The step of this key, from this machine's cache or another one's. */
  async #before(key: Digest): Promise<CachedStep | undefined> {
    const { store } = this.session;
    const own = findStep(store, key);
    if (own !== undefined) return own;
    const imported = await this.context.caches.find(key, this.state);
    if (imported !== undefined) keepStep(store, imported);
    return imported;
  }

  #keep(key: Digest, created: string, text: string, layer: BuiltLayer | undefined): void {
    const step: CachedStep = {
      key,
      created,
      text,
      ...(layer && { layer, chainId: chainOf(this.state).at(-1)! }),
    };
    keepStep(this.session.store, step);
    this.#steps.push(step);
  }

  #take(
    created: string,
    createdBy: string,
    layer: BuiltLayer | undefined,
    more: StepChanges,
  ): void {
    this.state = withStep(this.state, { created, createdBy, ...(layer && { layer }), ...more });
  }

  async #workdir(path: string, work: Work): Promise<void> {
    const directory = joinWorkdir(this.state.config.WorkingDir, path);
    const config = { ...this.state.config, WorkingDir: directory };
    const parts = ["workdir", directory, filesKey(this.state)];
    await this.#cached(parts, `WORKDIR ${directory}`, work, async () => {
      const layers = await unpackedLayers(this.session, this.state);
      using writer = new LayerWriter(this.session, layers, {});
      const { path: place, kind } = writer.find(directory);
      if (kind === "other") {
        throw new UserError(`cannot mkdir: ${directory}: is not a directory`);
      }
      writer.directory(place);
      return writer.keep();
    }, { config });
  }

  async #copy(step: CopyInstruction & Instruction, work: Work): Promise<void> {
    const { flags } = step;
    const word = (text: string) => this.#word(text);
    const texts = new Map(
      step.heredocs.map((doc) => [sourceOf(step, doc, this.context.escape), this.#text(doc)]),
    );
    const sources = step.sources.map((source) => texts.has(source) ? source : word(source));
    if (flags.from?.includes("$")) {
      throw new UserError(
        "variable expansion is not supported for --from, define a new stage with FROM using ARG " +
          "from global scope as a workaround",
      );
    }
    const chown = flags.chown && word(flags.chown);
    const chmod = flags.chmod && word(flags.chmod);
    const { signal } = this.request;
    const words = { sources, texts, target: word(step.target), signal };
    const wish = await planCopy(this.session, step, words, {
      tree: await this.context.treeOf(flags.from),
      workdir: this.state.config.WorkingDir,
      ...(chown && { chown }),
      ...(chmod && { chmod }),
    });
    const name = step.line.name;
    const shown = [
      name,
      ...(chown ? [`--chown=${chown}`] : []),
      ...(chmod ? [`--chmod=${chmod}`] : []),
      ...(flags.link ? ["--link"] : []),
      ...(flags.from === undefined ? [] : [`--from=${flags.from}`]),
    ];
    const createdBy = [...shown, ...sources, words.target, "# buildkit"].join(" ");
    const parts = [
      ...[name, createdBy, await copyDigest(wish), flags, wish.workdir],
      wish.link && chown === undefined ? "" : filesKey(this.state),
    ];
    await this.#cached(
      parts,
      createdBy,
      work,
      async () =>
        await copyStep(this.session, wish, await unpackedLayers(this.session, this.state)),
    );
  }

  /** A here-document with its variables replaced. */
  #text(doc: Heredoc): string {
    const { escape } = this.context;
    return doc.expand ? expand(doc.content, this.#lookup, { escape, raw: true }) : doc.content;
  }

  async #run(step: RunInstruction & Instruction, work: Work): Promise<void> {
    const { config } = this.state;
    const { request, context } = this;
    const network = networkOf(step.flags.network, request);
    if (step.flags.security !== undefined && step.flags.security !== "sandbox") {
      throw new UserError(
        `RUN --security=${step.flags.security} is not supported: builds run with the rights of ` +
          "ordinary containers",
      );
    }
    const command = runCommand(step, context.escape);
    const words = commandWords(command.command, config.Shell);
    const mounts: RunMount[] = (step.flags.mount ?? []).map((text) =>
      parseRunMount(this.#word(text), config.WorkingDir)
    );
    const args = context.scope.runArgs(this.#env);
    const counted = args.length > 0 ? `|${args.length} ${args.join(" ")} ` : "";
    const createdBy = `RUN ${counted}${words.join(" ")} # buildkit`;
    const key = [
      ...["run", filesKey(this.state), words, command.script ?? null, this.#env, args],
      ...[config.User ?? "", config.WorkingDir ?? "", network, request.host.ExtraHosts ?? []],
      await this.#mountKeys(mounts),
    ];
    await this.#cached(key, createdBy, work, async () => {
      using placed = await placeMounts(this.session, mounts, {
        secrets: request.secrets,
        agents: request.agents,
        tree: (from) => context.treeOf(from),
      });
      using script = command.script && scriptFile(this.session, command.script);
      const proxies = context.scope.global.proxies().map(([name, value]) => `${name}=${value}`);
      return await runStep(this.session, {
        state: this.state,
        layers: this.state.isHost ? ["/"] : await unpackedLayers(this.session, this.state),
        words,
        env: [...this.#env, ...args, ...proxies, ...placed.env],
        mounts: [...placed.mounts, ...(script ? [script.mount] : [])],
        network,
        host: request.host,
        onOutput: (bytes) => work.output(bytes),
        onContainer: (id) => work.running(id),
        warn: (text) => request.events.warn(text),
        signal: request.signal,
      });
    }, { isWhole: this.state.isHost });
  }

  /** What of the mounts counts for the cache: the files they show, not caches and secrets. */
  async #mountKeys(mounts: readonly RunMount[]): Promise<unknown[]> {
    const keys: unknown[] = [];
    for (const mount of mounts) {
      if (mount.type !== "bind") {
        keys.push(mount);
        continue;
      }
      const tree = await this.context.treeOf(mount.from);
      const parts = [{ kind: "path", path: mount.source.replace(/^\/+/, "") }] as const;
      const rest = { kind: "copy", parts, target: "/", workdir: "/", link: false } as const;
      keys.push([mount, await copyDigest({ ...rest, tree })]);
    }
    return keys;
  }
}

function networkOf(asked: string | undefined, { network, allowed }: BuildRequest): string {
  if (asked === undefined || asked === "default") return network;
  if (asked === "host" && network !== "host" && !allowed.has("network.host")) {
    throw new UserError(
      "RUN --network=host reaches this machine's own services: network.host is not allowed; " +
        "allow it with --allow network.host",
    );
  }
  if (asked === "none" || asked === "host") return asked;
  throw new UserError(`unsupported network mode: "${asked}"`);
}

/** The word of an instruction that a here-document is. */
function sourceOf(step: CopyInstruction, { name }: Heredoc, escape: string): string {
  return step.sources.find((source) => heredocOf(source, escape)?.name === name) ?? name;
}

/** A script of a RUN as a file that its container sees. */
function scriptFile(session: Session, script: { name: string; text: string }) {
  const path = session.temporary("script");
  Deno.writeTextFileSync(path, script.text, { createNew: true });
  Deno.chmodSync(path, 0o755);
  return {
    mount: {
      Type: "bind",
      Source: path,
      Target: `/dev/pipes/${script.name}`,
      ReadOnly: true,
    } as const,
    [Symbol.dispose]: () => Deno.removeSync(path),
  };
}
