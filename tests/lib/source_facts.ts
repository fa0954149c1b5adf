/** What the house rules need to know of a source file, taken from Deno's own parser. */

/** One import of a file: `import`, `export … from`, `import()`, `import("…").Type`. */
export interface Import {
  specifier: string;
  line: number;
  dynamic: boolean;
}

/** A function with a body: its name, where it starts, how many lines it has. */
export interface FunctionSize {
  name: string;
  line: number;
  lines: number;
}

/** A function, class or constant that a file exports; types are left out. */
export interface Export {
  name: string;
  line: number;
}

/** A file's facts; `unsafe` lists uses of `Deno.dlopen` and `Deno.Unsafe…`. */
export interface SourceFacts {
  path: string;
  text: string;
  lines: number;
  imports: Import[];
  exports: Export[];
  functions: FunctionSize[];
  unsafe: { name: string; line: number }[];
}

interface Positioned {
  range: [number, number];
}

/** The parts of a node the visitor reads; Deno's types leave some of them out. */
interface Node extends Positioned {
  source?: { value?: unknown } | null;
  argument?: { value?: unknown; literal?: { value?: unknown } };
  id?: { name?: string } | null;
  key?: { name?: string };
  value?: Node;
  object?: { name?: string };
  property?: { name?: string };
  init?: Node | null;
  declaration?: Node | null;
  declarations?: Node[];
}

/** The values that an exported declaration names; none of a type. */
function valueNames(node: Node & { type?: string }): string[] {
  if (node.declarations) return node.declarations.flatMap(({ id }) => id?.name ?? []);
  const isValue = node.type === "FunctionDeclaration" || node.type === "ClassDeclaration";
  return isValue && node.id?.name ? [node.id.name] : [];
}

function collect(facts: SourceFacts): Record<string, (node: Node) => void> {
  const lineAt = (offset: number) => facts.text.slice(0, offset).split("\n").length;
  const addImport = (node: Node, value: unknown, dynamic: boolean) => {
    if (typeof value !== "string") return;
    facts.imports.push({ specifier: value, line: lineAt(node.range[0]), dynamic });
  };
  const addFunction = (name: string, node: Node) => {
    const line = lineAt(node.range[0]);
    facts.functions.push({ name, line, lines: lineAt(node.range[1]) - line + 1 });
  };
  return {
    ImportDeclaration: (node) => addImport(node, node.source?.value, false),
    ExportAllDeclaration: (node) => addImport(node, node.source?.value, false),
    ExportNamedDeclaration: (node) => {
      addImport(node, node.source?.value, false);
      const line = lineAt(node.range[0]);
      const names = node.declaration ? valueNames(node.declaration) : [];
      facts.exports.push(...names.map((name) => ({ name, line })));
    },
    ImportExpression: (node) => addImport(node, node.source?.value, true),
    TSImportType: (node) =>
      addImport(node, node.argument?.literal?.value ?? node.argument?.value, false),
    FunctionDeclaration: (node) => addFunction(node.id?.name ?? "function", node),
    FunctionExpression: (node) => addFunction(node.id?.name ?? "function", node),
    ArrowFunctionExpression: (node) => addFunction("arrow function", node),
    MethodDefinition: (node) => addFunction(node.key?.name ?? "method", node),
    MemberExpression: (node) => {
      const name = node.property?.name ?? "";
      if (node.object?.name !== "Deno" || !/^(dlopen|Unsafe)/.test(name)) return;
      facts.unsafe.push({ name: `Deno.${name}`, line: lineAt(node.range[0]) });
    },
  };
}

/** Parses the TypeScript file at `path`. Only inside `deno test`: Deno.lint exists there alone. */
export function sourceFacts(path: string): SourceFacts {
  const text = Deno.readTextFileSync(path);
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  const nothing = { imports: [], exports: [], functions: [], unsafe: [] };
  const facts: SourceFacts = { path, text, lines, ...nothing };
  const visitor = collect(facts) as unknown as Deno.lint.LintVisitor;
  const plugin: Deno.lint.Plugin = { name: "facts", rules: { all: { create: () => visitor } } };
  Deno.lint.runPlugin(plugin, path, text);
  return facts;
}

/** Every TypeScript file below the folders and among the files given, sorted. */
export function sourceFiles(places: readonly string[]): string[] {
  const found: string[] = [];
  for (const place of places) {
    let entries: Iterable<Deno.DirEntry>;
    try {
      if (Deno.statSync(place).isFile) {
        found.push(place);
        continue;
      }
      entries = Deno.readDirSync(place);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue;
      throw error;
    }
    for (const { name, isDirectory } of entries) {
      if (isDirectory) found.push(...sourceFiles([`${place}/${name}`]));
      else if (name.endsWith(".ts")) found.push(`${place}/${name}`);
    }
  }
  return found.sort();
}
