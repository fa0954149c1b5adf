/** The rules of the house (docs/ARCHITECTURE.md) as tests: they name file, line and rule. */
import { type Import, type SourceFacts, sourceFacts, sourceFiles } from "./lib/source_facts.ts";

/** Who may import whom, by place. A place is the longest matching prefix of a path. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  "main.ts": ["src/cli", "src/base"],
  "src/cli": ["src/cli", "src/api", "src/engine", "src/base"],
  "src/api": ["src/api", "src/build", "src/engine", "src/image", "src/net", "src/base"],
  "src/build": ["src/build", "src/engine", "src/image", "src/base", "ffi"],
  "src/engine": ["src/engine", "src/runtime", "src/image", "src/net", "src/base", "ffi"],
  "src/runtime": ["src/runtime", "src/base", "ffi"],
  "src/image": ["src/image", "src/base", "ffi"],
  "src/net": ["src/net", "src/base", "ffi"],
  "src/base": ["src/base"],
  "ffi": ["ffi"],
  "build": ["build", "src/base"],
  "bench": ["bench", "src", "ffi", "build", "tests/lib"],
  "docs": ["docs", "src", "ffi"],
  "tests": ["tests", "src", "ffi", "build", "bench", "docs", "main.ts"],
};

/** Commands that use a part below the engine: by the name of their file, where to. */
const EXCEPTIONS: [file: RegExp, place: string][] = [
  [
    /^src\/cli\/(image|login|logout|run_pull|commit|export|inspect|system_df)/,
    "src/image",
  ],
  [/^src\/cli\/(oci|runtime)/, "src/runtime"],
  [/^src\/cli\/(build|system_df|system_prune)/, "src/build"],
  [/^src\/cli\/build/, "src/image"],
];

/** Commands whose start-up counts: nothing they load at once may import a `node:` module. */
const HOT_COMMANDS = [
  ...["run", "create", "exec", "ps", "logs", "start", "stop", "rm", "inspect", "kill", "wait"],
  ...["cleanup", "lifecycle", "health"],
];

/** What hot commands load only to do the work of an image command: to pull, to copy layers. */
const COLD = [
  ...["image_pull", "image_pull_output", "image_context"].map((n) => `src/cli/${n}.ts`),
  "src/engine/image_pull.ts",
  "src/engine/image_users.ts", // for --rmi
  "src/image/shifted_layers.ts",
];

const LONGEST_FILE = 400;
const LONGEST_FUNCTION = 70;

const FILES = sourceFiles(["main.ts", "ffi", "src", "build", "bench", "docs", "tests"]);
const FACTS = new Map<string, SourceFacts>(FILES.map((path) => [path, sourceFacts(path)]));
const IMPORT_MAP = JSON.parse(Deno.readTextFileSync("deno.json")).imports as Record<string, string>;

/** A test that collects violations and fails with all of them. */
function rule(name: string, violations: () => Iterable<string>): void {
  Deno.test(name, () => {
    const list = [...violations()];
    if (list.length > 0) throw new Error(`${list.length} violations\n${list.join("\n")}`);
  });
}

function placeOf(path: string): string {
  const places = Object.keys(MAY_IMPORT).filter((place) => isUnder(path, place));
  return places.sort((a, b) => b.length - a.length)[0] ?? "";
}

function isUnder(path: string, place: string): boolean {
  return path === place || path.startsWith(`${place}/`);
}

/** The project file that `specifier` means in `from`; undefined for packages and `node:`. */
function resolve(from: string, specifier: string): string | undefined {
  const mapped = IMPORT_MAP[specifier] ?? specifier;
  const base = mapped === specifier ? `file:///${from}` : "file:///deno.json";
  if (!/^\.{0,2}\//.test(mapped)) return undefined;
  return new URL(mapped, base).pathname.slice(1);
}

function at(facts: SourceFacts, line: number): string {
  return `${facts.path}:${line}`;
}

rule("every file imports only what its folder may import", function* () {
  for (const facts of FACTS.values()) {
    const exceptions = EXCEPTIONS.filter(([file]) => file.test(facts.path));
    const allowed = [...MAY_IMPORT[placeOf(facts.path)], ...exceptions.map(([, place]) => place)];
    for (const { specifier, line } of facts.imports) {
      const target = resolve(facts.path, specifier);
      if (target === undefined || allowed.some((place) => isUnder(target, place))) continue;
      if (target.startsWith("tests/") && IMPORT_MAP[specifier] !== undefined) continue;
      yield `${at(facts, line)}: may not import ${target}`;
    }
  }
});

rule(`no file has more than ${LONGEST_FILE} lines`, function* () {
  for (const { path, lines } of FACTS.values()) {
    if (lines > LONGEST_FILE) yield `${path}: ${lines} lines`;
  }
});

rule(`no function has more than ${LONGEST_FUNCTION} lines`, function* () {
  for (const facts of FACTS.values()) {
    for (const { name, line, lines } of facts.functions) {
      if (lines > LONGEST_FUNCTION) yield `${at(facts, line)}: ${name} has ${lines} lines`;
    }
  }
});

rule("Deno.dlopen and Deno.Unsafe… appear in ffi/ only", function* () {
  for (const facts of FACTS.values()) {
    if (isUnder(facts.path, "ffi") || isUnder(facts.path, "tests")) continue;
    for (const { name, line } of facts.unsafe) yield `${at(facts, line)}: ${name}`;
  }
});

/** What `path` loads, at once or later, with the way there; not behind the doors of COLD. */
function loadedBy(path: string): Map<string, string[]> {
  const ways = new Map<string, string[]>([[path, [path]]]);
  for (const [file, way] of ways) {
    for (const { specifier, dynamic } of FACTS.get(file)?.imports ?? []) {
      const target = resolve(file, specifier) ?? specifier;
      if (dynamic && COLD.includes(target)) continue;
      if (!ways.has(target)) ways.set(target, [...way, dynamic ? `later ${target}` : target]);
    }
  }
  return ways;
}

/** Whether a file of the npm package imports one of Node's modules. */
function packageUsesNode(name: string): string | undefined {
  const node =
    /(?:from|require\(|import\()\s*["'](?:node:[\w/]+|fs|path|util|stream|buffer|events|zlib|crypto|os|net|process|assert)["']/;
  for (const file of packageFiles(`node_modules/${name}`)) {
    const match = node.exec(Deno.readTextFileSync(file));
    if (match) return `${file}: ${match[0]}`;
  }
}

function packageFiles(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) return packageFiles(path);
    return /\.[cm]?js$/.test(entry.name) ? [path] : [];
  });
}

rule("hot commands load no node: module, directly or through a package", function* () {
  const seen = new Set<string>();
  for (const command of HOT_COMMANDS) {
    for (const [target, way] of loadedBy(`src/cli/${command}.ts`)) {
      const ours = /^(src|ffi)\//.test(target);
      if (seen.has(target) || ours || !FACTS.has(way[0])) continue;
      seen.add(target);
      const mapped = IMPORT_MAP[target] ?? target;
      const name = /^npm:\/?((?:@[^/]+\/)?[^@/]+)/.exec(mapped)?.[1];
      const reason = name === undefined ? mapped : packageUsesNode(name);
      if (reason !== undefined) yield `${way.join(" -> ")}: ${reason}`;
    }
  }
});

rule("every file of the program is reachable from main.ts or a build script", function* () {
  const reached = new Set(["main.ts", ...FILES.filter((path) => isUnder(path, "build"))]);
  for (const path of reached) {
    for (const { specifier } of FACTS.get(path)?.imports ?? []) {
      const target = resolve(path, specifier);
      if (target !== undefined) reached.add(target);
    }
  }
  for (const path of FILES) {
    if ((isUnder(path, "src") || isUnder(path, "ffi")) && !reached.has(path)) yield path;
  }
});

rule("every import names a file that exists", function* () {
  for (const facts of FACTS.values()) {
    for (const { specifier, line } of facts.imports satisfies Import[]) {
      const target = resolve(facts.path, specifier);
      if (target !== undefined && !FACTS.has(target)) yield `${at(facts, line)}: ${target}`;
    }
  }
});

rule("what a file exports, another one imports", function* () {
  const importers = new Map<string, SourceFacts[]>();
  for (const facts of FACTS.values()) {
    for (const { specifier } of facts.imports) {
      const target = resolve(facts.path, specifier) ?? "";
      importers.set(target, [...importers.get(target) ?? [], facts]);
    }
  }
  for (const facts of FACTS.values()) {
    const texts = (importers.get(facts.path) ?? []).map(({ text }) => text);
    for (const { name, line } of facts.exports) {
      const word = new RegExp(`\\b${name}\\b`);
      if (!texts.some((text) => word.test(text))) yield `${at(facts, line)}: ${name}`;
    }
  }
});

rule("a number of the kernel stands in ffi/constants.ts alone", function* () {
  const known = FACTS.get("ffi/constants.ts")!.exports.map(({ name }) => name).join("|");
  const again = new RegExp(`\\bconst (${known}) = |, (${known}) = (?:0|-?[1-9]\\w*)[,;]`);
  for (const { path, text } of FACTS.values()) {
    if (path === "ffi/constants.ts" || !(isUnder(path, "src") || isUnder(path, "ffi"))) continue;
    for (const [index, line] of text.split("\n").entries()) {
      if (again.test(line)) yield `${path}:${index + 1}: ${line.trim()}`;
    }
  }
});

rule("file names are snake_case and say what is inside", function* () {
  for (const path of FILES) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (!/^[a-z0-9_]+(\.[a-z_]+)?\.ts$/.test(name)) yield `${path}: not snake_case`;
    if (/util|helper|manager|common|misc|index\.ts/.test(name)) yield `${path}: says nothing`;
  }
});

rule("no text speaks of unfinished work or of one machine", function* () {
  const words = [
    "TO" + "DO",
    "FIX" + "ME",
    "X" + "XX",
    "HA" + "CK",
    "un" + "implemented",
    "not " + "implemented yet",
  ];
  const pattern = new RegExp(`\\b(${words.join("|")})\\b|/${"work"}/`);
  for (const { path, text } of FACTS.values()) {
    for (const [index, line] of text.split("\n").entries()) {
      if (pattern.test(line)) yield `${path}:${index + 1}: ${line.trim()}`;
    }
  }
});

/** What lies at the top; hidden and ignored entries aside. */
const TOP = ["LICENSE", "README.md", "bench", "build", "build.sh", "deno.json", "docs", "ffi"]
  .concat(["main.ts", "src", "tests"]);

rule("the top level has what people expect there, and nothing else", function* () {
  const ignored = Deno.readTextFileSync(".gitignore").split("\n").map((line) => line.slice(1, -1));
  const names = [...Deno.readDirSync(".")].map(({ name }) => name);
  for (const name of names) {
    if (name.startsWith(".") || ignored.includes(name) || TOP.includes(name)) continue;
    yield `${name}: not at the top level`;
  }
  for (const name of TOP) if (!names.includes(name)) yield `${name}: not there`;
});
