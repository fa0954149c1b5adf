/** The variables of a build: --build-arg, ARG, what is always known, and the ENV of a stage. */
import { hostPlatform } from "../base/platform.ts";
import { expand, type Lookup } from "../image/expand.ts";
import type { ArgInstruction } from "./instruction.ts";

/** May be given by --build-arg without an ARG, and are not told of in the history. */
const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"]
  .flatMap((name) => [name, name.toLowerCase()]);

/** The build argument that is the time of the image: reproducible-builds.org. */
export const EPOCH = "SOURCE_DATE_EPOCH";

/** Names of the ARGs that are always there. */
export const PLATFORM_ARGS = ["TARGET", "BUILD"]
  .flatMap((side) => ["PLATFORM", "OS", "ARCH", "VARIANT"].map((part) => side + part));

/** What the platform ARGs are: this machine builds for itself. */
function platformArgs(): Map<string, string> {
  const { os, architecture, variant } = hostPlatform();
  const whole = [os, architecture, variant].filter(Boolean).join("/");
  return new Map(["TARGET", "BUILD"].flatMap((side): [string, string][] => [
    [`${side}PLATFORM`, whole],
    [`${side}OS`, os],
    [`${side}ARCH`, architecture],
    [`${side}VARIANT`, variant ?? ""],
  ]));
}

/** What holds for all stages of a Dockerfile. */
export class GlobalScope {
  readonly #platform = platformArgs();
  /** ARGs before the first FROM. */
  readonly #globals = new Map<string, string | undefined>();
  readonly #used = new Set<string>();

  constructor(readonly buildArgs: ReadonlyMap<string, string>, readonly escape: string) {}

  /** Takes an ARG that stands before the first FROM. */
  declare({ args }: ArgInstruction): void {
    for (const { name, value } of args) {
      const own = value === undefined ? this.#platform.get(name) : expand(value, this.lookup, this);
      this.#globals.set(name, this.given(name) ?? own);
    }
  }

  /** What --build-arg says of a name, and that somebody asked. */
  given(name: string): string | undefined {
    if (!this.buildArgs.has(name)) return undefined;
    this.#used.add(name);
    return this.buildArgs.get(name);
  }

  /** The variables of a FROM. */
  readonly lookup: Lookup = (name) => this.#globals.get(name) ?? this.#platform.get(name);

  /** The value that `ARG name` without one has in a stage. */
  inherited(name: string): string | undefined {
    return this.#globals.get(name) ?? this.#platform.get(name);
  }

  /** Proxies that were given. */
  proxies(): [name: string, value: string][] {
    return PROXIES.flatMap((name): [string, string][] => {
      const value = this.given(name);
      return value === undefined ? [] : [[name, value]];
    });
  }

  /** Names given by --build-arg that nothing asked for. */
  unused(): string[] {
    return [...this.buildArgs.keys()].filter((name) =>
      !this.#used.has(name) && !PROXIES.includes(name) && name !== EPOCH &&
      !name.startsWith("BUILDKIT_")
    ).sort();
  }
}

/** The ARGs of one stage. */
export class StageScope {
  readonly #args: Map<string, string | undefined>;

  constructor(readonly global: GlobalScope, above?: StageScope) {
    this.#args = new Map(above === undefined ? [] : above.#args);
  }

  /** Takes an ARG; its text with the value that counts, for the history. */
  declare({ args }: ArgInstruction, env: readonly string[]): string {
    const shown = args.map(({ name, value }) => {
      const own = value === undefined
        ? this.global.inherited(name)
        : expand(value, this.lookup(env), this.global);
      const counts = this.global.given(name) ?? own ?? this.#args.get(name);
      this.#args.set(name, counts);
      return counts === undefined ? name : `${name}=${counts}`;
    });
    return shown.join(" ");
  }

  /** The variables of an instruction: ENV wins over ARG. */
  lookup(env: readonly string[]): Lookup {
    const values = new Map(env.map((word) => {
      const equals = word.indexOf("=");
      return [word.slice(0, equals), word.slice(equals + 1)];
    }));
    return (name) => values.get(name) ?? this.#args.get(name);
  }

  /** ARGs with a value that ENV does not hide, as "name=value", sorted. */
  runArgs(env: readonly string[]): string[] {
    const names = new Set(env.map((word) => word.split("=", 1)[0]));
    return [...this.#args].flatMap(([name, value]) =>
      value === undefined || names.has(name) ? [] : [`${name}=${value}`]
    ).sort();
  }
}
