/** Builds the stages that a target needs, in order. */
import { UserError } from "../base/errors.ts";
import type { CachedStep } from "../image/build_cache.ts";
import { expectSome } from "../image/hash.ts";
import type { Session } from "../image/session.ts";
import { BuildError, located } from "./build_error.ts";
import { BaseImages, checkPlatform } from "./base_image.ts";
import type { BuildRequest } from "./build_request.ts";
import { ImportedCaches } from "./cache_import.ts";
import type { CacheMode } from "./cache_wish.ts";
import { readDockerfile } from "./dockerfile.ts";
import { expand } from "../image/expand.ts";
import { type NamedContext, NamedContexts } from "./named_contexts.ts";
import { type Instruction, parseDockerfile, parseLine } from "./instruction.ts";
import { GlobalScope, StageScope } from "./scope.ts";
import { orAborted } from "./or_aborted.ts";
import type { SourceTree } from "./source_tree.ts";
import { imageId, type StageState, treeOfState } from "./stage_state.ts";
import {
  cutStages,
  findStage,
  namesakes,
  neededStages,
  sourceStage,
  type Stage,
  stageName,
  targetStage,
} from "./stages.ts";
import { StageBuilder } from "./stage_builder.ts";

/** A stage that is built. */
interface Done {
  readonly state: StageState;
  readonly scope: StageScope;
  /** What the cache remembers of it, and of the stage that it stands on. */
  readonly steps: readonly CachedStep[];
}

/** Instructions that make files, and so have a place among those of their stage. */
const WITH_PLACE = ["run", "copy", "add", "workdir"];

/** Carries out one build. */
export class Builder {
  readonly #images: BaseImages;
  readonly #contexts: NamedContexts;
  readonly #done = new Map<Stage, Done>();
  readonly #stages: readonly Stage[];
  readonly #target: Stage;
  readonly #needed: readonly Stage[];
  readonly #global: GlobalScope;
  readonly #escape: string;
  #number = 0;
  #total = 0;

  /** Throws DockerfileError, UserError. */
  constructor(readonly session: Session, readonly request: BuildRequest) {
    const dockerfile = readDockerfile(request.opened.text);
    this.#escape = dockerfile.escape;
    const { globals, stages } = cutStages(parseDockerfile(dockerfile));
    this.#global = new GlobalScope(request.buildArgs, dockerfile.escape);
    for (const arg of globals) this.#global.declare(arg);
    this.#stages = stages;
    this.#target = targetStage(stages, request.target);
    this.#images = new BaseImages(session.store, request);
    const { contexts = new Map(), events, signal } = request;
    this.#contexts = new NamedContexts(session, contexts, this.#images, events, signal);
    this.#needed = neededStages(
      stages,
      this.#target,
      (stage) => this.#baseName(stage),
      (stage) => this.#replacement(stage) !== undefined,
    );
    this.#total = this.#needed.reduce((sum, stage) => sum + this.#lengthOf(stage), 0);
    this.#total += Object.keys(request.labels).length > 0 ? 1 : 0;
  }

  /** The target, built. Throws BuildError, UserError. */
  async build(): Promise<StageState> {
    await expectSome();
    this.#checkUncached();
    this.#checkNames();
    for (const stage of this.#needed) await this.#checkBase(stage);
    const { cacheFrom } = this.request;
    const caches = await ImportedCaches.open(this.session, cacheFrom, this.request);
    for (const stage of this.#needed) {
      this.#done.set(stage, await this.#build(stage, caches));
    }
    const { state } = this.#done.get(this.#target)!;
    if (state.isHost) {
      throw new UserError(
        `Cannot make an image of a stage FROM host: this machine's own root is no layer; copy ` +
          "what is needed of it into another stage: COPY --from",
      );
    }
    const unused = this.#global.unused();
    if (unused.length > 0) {
      this.request.events.warn(
        `One or more build-args [${unused.join(" ")}] were not consumed`,
      );
    }
    return state;
  }

  /** What the cache remembers of a build that is done. */
  remembered(mode: CacheMode): CachedStep[] {
    const stages = mode === "min" ? [this.#done.get(this.#target)!] : [...this.#done.values()];
    const steps = stages.flatMap(({ steps }) => steps);
    return [...new Map(steps.map((step) => [step.key, step])).values()];
  }

  /** What `--build-context` puts in place of a whole stage. */
  #replacement({ from }: Stage): NamedContext | undefined {
    return from.name === undefined ? undefined : this.#contexts.find(from.name);
  }

  #lengthOf(stage: Stage): number {
    return this.#replacement(stage) === undefined ? 1 + stage.steps.length : 0;
  }

  /** What FROM means, with its variables replaced. */
  #baseName({ from }: Stage): string {
    const name = expand(from.image, this.#global.lookup, { escape: this.#escape });
    if (name !== "") return name;
    throw new BuildError(`base name (${from.image}) should not be blank`, from.line);
  }

  /** Sees that the base image of a stage is here before anything is built. */
  async #checkBase(stage: Stage): Promise<void> {
    if (this.#replacement(stage) !== undefined) return;
    const { from } = stage;
    const name = this.#baseName(stage);
    if (from.platform !== undefined) {
      const platform = expand(from.platform, this.#global.lookup, { escape: this.#escape });
      if (platform !== "") checkPlatform(platform);
    }
    if (this.#stageNamed(name, stage) !== undefined) return;
    try {
      await this.#base(name);
    } catch (error) {
      throw located(error, from);
    }
  }

  /** A stage before this one by its name; numbers do not count in FROM. */
  #stageNamed(name: string, stage: Stage): Stage | undefined {
    return /^\d+$/.test(name) ? undefined : findStage(this.#stages, name, stage.index);
  }

  /** An image, or what `--build-context` means by its name. */
  async #base(name: string): Promise<StageState> {
    const context = name === "scratch" ? undefined : this.#contexts.find(name);
    const state = context ? this.#contexts.state(name, context) : this.#images.get(name);
    return await orAborted(this.request.signal, state);
  }

  async #build(stage: Stage, caches: ImportedCaches): Promise<Done> {
    const replacement = this.#replacement(stage);
    if (replacement !== undefined) {
      const loading = this.#contexts.state(stage.from.name!, replacement);
      const state = await orAborted(this.request.signal, loading);
      return { state, scope: new StageScope(this.#global), steps: [] };
    }
    const name = this.#baseName(stage);
    const above = this.#stageNamed(name, stage);
    const base = above === undefined
      ? { state: await this.#base(name), scope: undefined, steps: [] }
      : this.#done.get(above)!;
    const scope = new StageScope(this.#global, base.scope);
    const { OnBuild, ...config } = base.state.config;
    const triggers = (OnBuild ?? []).map((text) => this.#trigger(text, stage.from));
    this.#total += triggers.length;
    const steps = [...triggers, ...stage.steps];
    const label = this.#needed.length > 1 ? `${stageName(stage)} ` : "";
    const isImage = above === undefined && name !== "scratch";
    const places = steps.filter(({ kind }) => WITH_PLACE.includes(kind)).length +
      (isImage ? 1 : 0);
    let place = 0;
    const begin = (text: string, hasPlace: boolean) =>
      this.request.events.begin({
        kind: "instruction",
        text,
        ...(hasPlace && { place: `${label}${++place}/${places}` }),
        number: ++this.#number,
        total: this.#total,
      });
    const from = begin(stage.from.shown, isImage);
    if (isImage) from.cached();
    from.done(isImage ? base.state.baseId : this.#idOf({ ...base.state, config }));
    const builder = new StageBuilder(this.session, this.request, {
      scope,
      escape: this.#escape,
      caches,
      usesCache: !this.request.noCache && !this.#isUncached(stage),
      treeOf: (source) => this.#treeOf(source, stage),
    }, { ...base.state, config });
    for (const step of steps) {
      const work = begin(step.shown, WITH_PLACE.includes(step.kind));
      try {
        this.request.signal.throwIfAborted();
        await builder.step(step, work);
        work.done(this.#idOf(builder.state));
      } catch (error) {
        const shown = located(error, step);
        work.failed(shown instanceof Error ? shown.message : String(shown));
        throw shown;
      }
    }
    const { labels } = this.request;
    if (stage === this.#target && Object.keys(labels).length > 0) {
      const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(" ");
      const work = begin(`LABEL ${pairs}`, false);
      builder.label(labels);
      work.done(this.#idOf(builder.state));
    }
    return { state: builder.state, scope, steps: [...base.steps, ...builder.steps] };
  }

  /** Tells of `--no-cache-filter` with a name that no stage has. */
  #checkUncached(): void {
    const known = this.#stages.map(stageName);
    for (const name of this.request.noCacheStages ?? []) {
      if (known.includes(name.toLowerCase())) continue;
      this.request.events.warn(
        `--no-cache-filter: no stage is named "${name}"; the stages are ${known.join(", ")}`,
      );
    }
  }

  /** Tells of names that two stages have: the one before counts. */
  #checkNames(): void {
    for (const { from } of namesakes(this.#stages)) {
      this.request.events.warn(
        `line ${from.line.first}: duplicate stage name "${from.name}", stage names should be unique`,
      );
    }
  }

  #isUncached(stage: Stage): boolean {
    const name = stageName(stage);
    return (this.request.noCacheStages ?? []).some((one) => one.toLowerCase() === name);
  }

  #idOf(state: StageState): string | undefined {
    const isNothing = state.layers.length === 0 && state.history.length === 0;
    return this.request.events.wantsIds && !isNothing ? imageId(state) : undefined;
  }

  /** An instruction that the base image brings. */
  #trigger(text: string, from: Instruction): Instruction {
    const [line] = readDockerfile(text).lines;
    return parseLine({ ...line, first: from.line.first, last: from.line.last }, "\\");
  }

  /** The files of a stage, of an image, or of the build context. */
  async #treeOf(source: string | undefined, stage: Stage): Promise<SourceTree> {
    if (source === undefined) return this.request.opened.tree;
    const other = sourceStage(this.#stages, source, stage);
    if (other !== undefined) return await treeOfState(this.session, this.#done.get(other)!.state);
    const context = this.#contexts.find(source);
    if (context !== undefined) {
      return await orAborted(this.request.signal, this.#contexts.tree(source, context));
    }
    return await treeOfState(this.session, await this.#images.get(source));
  }
}
