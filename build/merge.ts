/**
 * Joins the chunks that a hot command reads at every start into one file: Deno spends about
 * 0.1 ms on each module, and `run` has seventy. The other chunks import from the joined file,
 * so every module still exists once in a process.
 */

/** One `import{a as b}from"./x.js"` of a chunk, as the bundler writes it. */
const IMPORT = /import\s*(?:\{([^}]*)\}\s*from\s*)?"\.\/([\w.-]+\.js)";?/g;
const EXPORT = /export\s*\{([^}]*)\};?/g;

/** What these load must not wait for the code of the hot commands. */
const SMALL_ENTRIES = /^(main\.js|front-|exit-|version-)/;
/** What `main.js` imports, and what the hot commands have in common with the other small entries. */
const BASE = "base.js";

/** What a file of the bundle imports statically, and the names it exports. */
interface Chunk {
  readonly text: string;
  readonly imports: readonly string[];
  readonly exports: readonly string[];
}

/** "a as b" -> ["a", "b"]; "a" -> ["a", "a"]. */
function pair(clause: string): [string, string] {
  const [from, to = from] = clause.trim().split(/\s+as\s+/);
  return [from, to];
}

const clauses = (list: string | undefined) =>
  (list ?? "").split(",").map((part) => part.trim()).filter((part) => part !== "");

/** Reads a chunk's header and footer; strings that look like imports are none of the bundler's. */
export function parseChunk(text: string): Chunk {
  const imports = [...text.matchAll(IMPORT)].map(([, , file]) => file);
  const exports = [...text.matchAll(EXPORT)].flatMap(([, list]) =>
    clauses(list).map((clause) => pair(clause)[1])
  );
  return { text, imports, exports };
}

/** All files that `entries` import statically, themselves included. */
export function closure(
  chunks: ReadonlyMap<string, Chunk>,
  entries: readonly string[],
): Set<string> {
  const found = new Set<string>();
  const visit = (name: string) => {
    if (found.has(name)) return;
    found.add(name);
    for (const other of chunks.get(name)?.imports ?? []) visit(other);
  };
  entries.forEach(visit);
  return found;
}

/** The text of the file that re-exports every name of the joined chunks, each under its own. */
export function joinedEntry(
  chunks: ReadonlyMap<string, Chunk>,
  joined: readonly string[],
): string {
  return joined.map((name, i) => {
    const names = chunks.get(name)!.exports.map((exported) => `${exported} as j${i}_${exported}`);
    return names.length > 0
      ? `export { ${names.join(", ")} } from "./${name}";`
      : `import "./${name}";`;
  }).join("\n");
}

/** A chunk whose imports of joined chunks come from `target` instead. */
export function redirect(text: string, joined: readonly string[], target: string): string {
  let bare = false;
  const out = text.replaceAll(IMPORT, (whole, list: string | undefined, file: string) => {
    const i = joined.indexOf(file);
    if (i < 0) return whole;
    const names = clauses(list).map((clause) => {
      const [from, to] = pair(clause);
      return `j${i}_${from} as ${to}`;
    });
    if (names.length > 0) return `import{${names.join(",")}}from"./${target}";`;
    if (bare) return "";
    bare = true;
    return `import"./${target}";`;
  });
  return out;
}

/** A file that stands for a joined chunk where it is imported by name: `import("./run-X.js")`. */
export function standIn(chunk: Chunk, index: number, target: string): string {
  const names = chunk.exports.map((exported) => `j${index}_${exported} as ${exported}`);
  return `export{${names.join(",")}}from"./${target}";\n`;
}

/** Reads every script of the bundle. */
function readChunks(folder: string): Map<string, Chunk> {
  const chunks = new Map<string, Chunk>();
  for (const { name } of Deno.readDirSync(folder)) {
    if (name.endsWith(".js")) {
      chunks.set(name, parseChunk(Deno.readTextFileSync(`${folder}/${name}`)));
    }
  }
  return chunks;
}

/**
 * Names each `using` of a file a second time, in a statement that the minifier drops. Without
 * that the esbuild in Deno moves the value of one that is named once to where it is named, and
 * nothing is disposed: descriptors stay open and locks taken. The bundler writes every
 * declaration at the start of a line.
 */
export function protectUsing(text: string): string {
  return text.replaceAll(/^(\s*)((?:await )?using (\w+) = )/gm, "$1void (() => $3);\n$1$2");
}

/** Runs Deno's bundler, minifying. Throws with what it said if it fails. */
function minify(args: readonly string[]): void {
  const { success, stderr } = new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--minify", ...args],
  }).outputSync();
  if (!success) throw new Error(`Cannot bundle: ${new TextDecoder().decode(stderr)}`);
}

/** Bundles the joined entry with everything that is not joined left outside. */
function bundleJoined(folder: string, outside: readonly string[], target: string): void {
  const entry = `${folder}/joined_entry.js`;
  // The names after --external: it takes all that follows.
  minify(["-o", `${folder}/${target}`, entry, "--external", ...outside.map((n) => `./${n}`)]);
}

/** Stands for "./" while a file is minified alone: nothing of that name is looked for. */
const ELSEWHERE = "elsewhere:";

/** Makes each of the files smaller, by itself: what it imports stays outside. */
function minifyEach(folder: string, names: readonly string[]): void {
  const work = Deno.makeTempDirSync({ dir: folder });
  for (const name of names) {
    const text = Deno.readTextFileSync(`${folder}/${name}`);
    const apart = protectUsing(text).replaceAll(/"\.\/(?=[\w.-]+\.js")/g, `"${ELSEWHERE}`);
    Deno.writeTextFileSync(`${work}/${name}`, apart);
  }
  const entries = names.map((name) => `${work}/${name}`);
  minify(["--outdir", `${work}/out`, ...entries, "--external", `${ELSEWHERE}*`]);
  for (const name of names) {
    const text = Deno.readTextFileSync(`${work}/out/${name}`);
    Deno.writeTextFileSync(`${folder}/${name}`, text.replaceAll(`"${ELSEWHERE}`, '"./'));
  }
  Deno.removeSync(work, { recursive: true });
}

/** What is joined into one file: what these modules (names without ending: "run") load. */
export interface HotGroup {
  readonly target: string;
  readonly hot: readonly string[];
  /** Only what these load as well. */
  readonly sharedWith?: readonly string[];
}

/** A group and the chunks that it gets: those that no group before it has. */
interface Joined {
  readonly target: string;
  readonly names: readonly string[];
}

/** Shares the chunks out among the groups, in their order; those of `main` stay as they are. */
export function shareOut(
  chunks: ReadonlyMap<string, Chunk>,
  main: ReadonlySet<string>,
  groups: readonly HotGroup[],
): Joined[] {
  const taken = new Set(main);
  const loadedBy = (modules: readonly string[]) =>
    closure(
      chunks,
      [...chunks.keys()].filter((name) => modules.some((module) => name.startsWith(`${module}-`))),
    );
  return groups.map(({ target, hot, sharedWith }) => {
    const others = sharedWith && loadedBy(sharedWith);
    const names = [...loadedBy(hot)].filter((name) =>
      !taken.has(name) && (others?.has(name) ?? true)
    );
    names.forEach((name) => taken.add(name));
    return { target, names };
  });
}

/** A chunk's text whose imports come from the joined files, where these have them. */
function redirectAll(text: string, joined: readonly Joined[]): string {
  return joined.reduce((out, { target, names }) => redirect(out, names, target), text);
}

/** Makes the one file of `group`; those before it are there. */
function joinGroup(
  folder: string,
  chunks: ReadonlyMap<string, Chunk>,
  group: Joined,
  before: readonly Joined[],
): void {
  Deno.writeTextFileSync(`${folder}/joined_entry.js`, joinedEntry(chunks, group.names));
  for (const name of group.names) {
    const text = redirectAll(chunks.get(name)!.text, before);
    Deno.writeTextFileSync(`${folder}/${name}`, protectUsing(text));
  }
  const others = [...chunks.keys()].filter((name) => !group.names.includes(name));
  bundleJoined(folder, [...others, ...before.map(({ target }) => target)], group.target);
  Deno.removeSync(`${folder}/joined_entry.js`);
}

/**
 * Joins what the hot commands load, a file for each of `groups`; a later one may import from an
 * earlier one. Returns how many files became those.
 */
export function joinHotChunks(folder: string, groups: readonly HotGroup[]): number {
  const chunks = readChunks(folder);
  const small = [...chunks.keys()].filter((name) => SMALL_ENTRIES.test(name));
  const hot = new Set(shareOut(chunks, new Set(), groups).flatMap(({ names }) => names));
  const ofMain = closure(chunks, ["main.js"]);
  const rest = closure(chunks, small);
  const base = [...rest].filter((name) =>
    !small.includes(name) && (ofMain.has(name) || hot.has(name))
  );
  const joined = [{ target: BASE, names: base }, ...shareOut(chunks, rest, groups)];
  joined.forEach((group, i) => joinGroup(folder, chunks, group, joined.slice(0, i)));
  const dynamic = new Set(
    [...chunks.values()].flatMap(({ text }) =>
      [...text.matchAll(/import\("\.\/([\w.-]+\.js)"\)/g)].map(([, name]) => name)
    ),
  );
  for (const { target, names } of joined) {
    names.forEach((name, i) => {
      const path = `${folder}/${name}`;
      if (!dynamic.has(name)) Deno.removeSync(path);
      else Deno.writeTextFileSync(path, standIn(chunks.get(name)!, i, target));
    });
  }
  const all = new Set(joined.flatMap(({ names }) => names));
  const outside = [...chunks.keys()].filter((name) => !all.has(name));
  for (const name of outside) {
    Deno.writeTextFileSync(`${folder}/${name}`, redirectAll(chunks.get(name)!.text, joined));
  }
  minifyEach(folder, outside);
  return all.size;
}
