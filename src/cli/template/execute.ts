import { quoteGo } from "../../base/quote.ts";
import { fits, type Fn, type Type } from "./functions.ts";
import {
  type Branch,
  type Command,
  type Node,
  type Operand,
  type Pipe,
  show,
  TemplateError,
} from "./nodes.ts";
import type { Template } from "./parse.ts";
import { isTypedMap, Struct } from "./go_value.ts";
import { format, kindOf, print, sortedKeys, truth, typeName } from "./value.ts";

/** How the data of an execution behave. */
export interface Rules {
  readonly functions: ReadonlyMap<string, Fn>;
  /** `struct`: absent fields of the root are unknown fields. `map`: absent keys are errors. */
  readonly mode: "struct" | "map";
  /** Go's name of the root's type in `struct` mode. */
  readonly typeName: string;
}

/** Thrown through the lists of a range. */
class Leave {
  constructor(readonly word: "break" | "continue") {}
}

const NOTHING = Symbol("no value came through the pipe");
// Go allows 100,000 nested templates; the stack of JavaScript holds fewer.
const DEEPEST = 1000;

class Run {
  output = "";
  private node: Operand | Command | Node | undefined;
  private variables: [name: string, value: unknown][] = [];

  constructor(
    private readonly template: Template,
    private readonly rules: Rules,
    private readonly name: string,
    private readonly depth: number,
    private readonly root: unknown,
    data: unknown,
  ) {
    this.variables = [["$", data]];
  }

  fail(text: string): never {
    const { name } = this.template;
    if (this.node === undefined) {
      throw new TemplateError(`template: ${name}: ${text}`, "execute");
    }
    const before = this.template.text.slice(0, this.node.at);
    const start = before.lastIndexOf("\n") + 1;
    const line = before.split("\n").length;
    const column = new TextEncoder().encode(before.slice(start)).length;
    const where = `${name}:${line}:${column}: executing ${quoteGo(this.name)} at <${
      show(this.node)
    }>`;
    throw new TemplateError(`template: ${where}: ${text}`, "execute");
  }

  walk(dot: unknown, list: readonly Node[]): void {
    for (const node of list) {
      this.node = node;
      switch (node.kind) {
        case "text":
          this.output += node.text;
          break;
        case "action": {
          const value = this.pipe(dot, node.pipe);
          if (node.pipe.declared.length > 0) break;
          this.node = node;
          if (kindOf(value) === "func") this.fail(`can't print ${show(node)} of type func()`);
          this.output += print(value);
          break;
        }
        case "if":
        case "with":
          this.branch(dot, node);
          break;
        case "range":
          this.range(dot, node);
          break;
        case "template":
          this.call(dot, node);
          break;
        case "break":
        case "continue":
          throw new Leave(node.kind);
      }
    }
  }

  private branch(dot: unknown, node: Branch): void {
    const mark = this.variables.length;
    const value = this.pipe(dot, node.pipe);
    if (truth(value)) this.walk(node.kind === "with" ? value : dot, node.list);
    else if (node.otherwise !== undefined) this.walk(dot, node.otherwise);
    this.variables.length = mark;
  }

  private range(dot: unknown, node: Branch): void {
    const mark = this.variables.length;
    const value = this.pipe(dot, node.pipe);
    let ran = false;
    for (const [index, item] of this.items(value)) {
      ran = true;
      const inner = this.variables.length;
      this.bind(node.pipe, index, item);
      try {
        this.walk(item, node.list);
      } catch (error) {
        if (!(error instanceof Leave)) throw error;
        if (error.word === "break") break;
      } finally {
        this.variables.length = inner;
      }
    }
    this.variables.length = mark;
    if (!ran && node.otherwise !== undefined) this.walk(dot, node.otherwise);
    this.variables.length = mark;
  }

  private items(value: unknown): Iterable<[unknown, unknown]> {
    switch (kindOf(value)) {
      case "none":
      case "nil":
        return [];
      case "slice":
        return (value as unknown[]).entries();
      case "map":
        return sortedKeys(value as object).map((
          key,
        ) => [key, (value as Record<string, unknown>)[key]]);
      case "int":
        return Array.from({ length: Math.max(0, Number(value)) }, (_, i) => [i, i]);
      default:
        this.fail(`range can't iterate over ${format(value)}`);
    }
  }

  /** The variables of a range for one turn: the last is the item, one before it the index. */
  private bind(pipe: Pipe, index: unknown, item: unknown): void {
    const [first, second] = pipe.declared;
    if (first === undefined) return;
    const both = second !== undefined;
    if (pipe.assign) {
      this.assign(first, both ? index : item);
      if (both) this.assign(second, item);
      return;
    }
    // pipe() has pushed each once with the whole value; the body sees these.
    this.variables.push([first, both ? index : item]);
    if (both) this.variables.push([second, item]);
  }

  private call(dot: unknown, node: Node & { kind: "template" }): void {
    const list = this.template.lists.get(node.name);
    if (list === undefined) this.fail(`template ${quoteGo(node.name)} not defined`);
    if (this.depth === DEEPEST) this.fail(`exceeded maximum template depth (${DEEPEST})`);
    const data = node.pipe === undefined ? undefined : this.pipe(dot, node.pipe);
    const run = new Run(this.template, this.rules, node.name, this.depth + 1, this.root, data);
    run.walk(data, list);
    this.output += run.output;
  }

  private assign(name: string, value: unknown): void {
    const found = this.variables.findLast(([other]) => other === name);
    if (found === undefined) this.fail(`undefined variable: ${name}`);
    found[1] = value;
  }

  private variable(name: string): unknown {
    const found = this.variables.findLast(([other]) => other === name);
    if (found === undefined) this.fail(`undefined variable: ${name}`);
    return found[1];
  }

  private pipe(dot: unknown, pipe: Pipe): unknown {
    this.node = pipe;
    let value: unknown = NOTHING;
    for (const command of pipe.commands) value = this.command(dot, command, value);
    for (const name of pipe.declared) {
      if (pipe.assign) this.assign(name, value);
      else this.variables.push([name, value]);
    }
    return value;
  }

  private command(dot: unknown, command: Command, final: unknown): unknown {
    const [first] = command.args;
    switch (first.kind) {
      case "field":
      case "chain":
      case "variable":
        return this.fields(dot, first, command.args, final);
      case "identifier":
        return this.function(dot, first, command, command.args, final);
      case "pipe":
        this.noArguments(command.args, final);
        return this.pipe(dot, first);
    }
    this.node = first;
    this.noArguments(command.args, final);
    if (first.kind === "nil") this.fail("nil is not a command");
    return this.plain(dot, first);
  }

  private noArguments(args: readonly Operand[], final: unknown): void {
    if (args.length > 1 || final !== NOTHING) {
      this.fail(`can't give argument to non-function ${show(args[0])}`);
    }
  }

  /** The value of a literal or of the dot. */
  private plain(dot: unknown, node: Operand): unknown {
    return node.kind === "dot" ? dot : "value" in node ? node.value : undefined;
  }

  private fields(
    dot: unknown,
    node: Operand & { kind: "field" | "chain" | "variable" },
    args: readonly Operand[],
    final: unknown,
  ): unknown {
    this.node = node;
    let value = dot;
    if (node.kind === "chain") {
      if (node.node.kind === "nil") this.fail(`indirection through explicit nil in ${show(node)}`);
      value = this.argument(dot, "any", node.node);
      this.node = node;
    } else if (node.kind === "variable") {
      value = this.variable(node.name);
      if (node.path.length === 0) this.noArguments(args, final);
    }
    node.path.forEach((name, i) => {
      const last = i === node.path.length - 1;
      value = this.field(
        dot,
        value,
        name,
        last ? args.slice(1) : [],
        last ? final : NOTHING,
        i > 0,
      );
    });
    return value;
  }

  /** One field of a value. `nested`: it came out of another field, where Go has lost its type. */
  private field(
    dot: unknown,
    receiver: unknown,
    name: string,
    args: readonly Operand[],
    final: unknown,
    nested: boolean,
  ): unknown {
    const kind = kindOf(receiver);
    const isRow = this.rules.mode === "struct" && receiver === this.root;
    if (kind === "none") {
      if (this.rules.mode === "struct" || nested) return undefined;
      this.fail(`nil data; no entry for key ${quoteGo(name)}`);
    }
    if (kind === "nil") this.fail(`nil pointer evaluating ${typeName(receiver)}.${name}`);
    if (receiver instanceof Struct) {
      if (!receiver.has(name)) {
        this.fail(`can't evaluate field ${name} in type ${receiver.title}`);
      }
      if (args.length > 0 || final !== NOTHING) {
        this.fail(`${name} has arguments but cannot be invoked as function`);
      }
      return receiver.get(name);
    }
    if (kind !== "map") {
      const type = nested && this.rules.mode === "map" ? "interface {}" : typeName(receiver);
      this.fail(`can't evaluate field ${name} in type ${type}`);
    }
    const map = receiver as Record<string, unknown>;
    const hasArguments = args.length > 0 || final !== NOTHING;
    if (!Object.prototype.propertyIsEnumerable.call(map, name)) {
      if (isRow) this.fail(`can't evaluate field ${name} in type ${this.rules.typeName}`);
      if (hasArguments) this.fail(`${name} is not a method but has arguments`);
      if (isTypedMap(map) || this.rules.mode === "struct") return undefined;
      this.fail(`map has no entry for key ${quoteGo(name)}`);
    }
    const value = map[name];
    if (typeof value === "function") {
      const fn: Fn = { params: Array(value.length).fill("string"), call: value as Fn["call"] };
      return this.apply(dot, name, fn, this.node!, args, final);
    }
    if (hasArguments) this.fail(`${name} is not a method but has arguments`);
    return value;
  }

  private function(
    dot: unknown,
    node: Operand & { kind: "identifier" },
    at: Command | Operand,
    args: readonly Operand[],
    final: unknown,
  ): unknown {
    this.node = node;
    const fn = this.rules.functions.get(node.name);
    if (fn === undefined) this.fail(`${quoteGo(node.name)} is not a defined function`);
    return this.apply(dot, node.name, fn, at, args.slice(1), final);
  }

  /** Calls a function: its arguments from the template, behind them what came by the pipe. */
  private apply(
    dot: unknown,
    name: string,
    fn: Fn,
    at: Command | Operand | Node,
    args: readonly Operand[],
    final: unknown,
  ): unknown {
    const count = args.length + (final === NOTHING ? 0 : 1);
    const want = fn.params.length;
    if (fn.rest !== undefined && count < want) {
      this.fail(`wrong number of args for ${name}: want at least ${want} got ${count}`);
    }
    if (fn.rest === undefined && count !== want) {
      this.fail(`wrong number of args for ${name}: want ${want} got ${count}`);
    }
    if (name === "and" || name === "or") return this.decide(dot, name, args, final);
    const type = (i: number): Type => fn.params[i] ?? fn.rest!;
    const values = args.map((arg, i) => this.argument(dot, type(i), arg));
    if (final !== NOTHING) values.push(this.checked(final, type(args.length)));
    try {
      return fn.call(...values as never[]);
    } catch (error) {
      this.node = at;
      this.fail(`error calling ${name}: ${(error as Error).message}`);
    }
  }

  /** `and` and `or`: the first value that decides; those behind it are not looked at. */
  private decide(dot: unknown, name: string, args: readonly Operand[], final: unknown): unknown {
    let value: unknown;
    for (const arg of args) {
      value = this.argument(dot, "any", arg);
      if (truth(value) === (name === "or")) return value;
    }
    return final === NOTHING ? value : final;
  }

  private argument(dot: unknown, type: Type, node: Operand): unknown {
    this.node = node;
    switch (node.kind) {
      case "dot":
        return this.checked(dot, type);
      case "nil":
        if (type === "string" || type === "int") this.fail(`cannot assign nil to ${type}`);
        return type === "any" ? null : [];
      case "field":
      case "chain":
      case "variable":
        return this.checked(this.fields(dot, node, [node], NOTHING), type);
      case "pipe":
        return this.checked(this.pipe(dot, node), type);
      case "identifier":
        return this.checked(this.function(dot, node, node, [node], NOTHING), type);
    }
    if (type === "string" && node.kind !== "string") {
      this.fail(`expected string; found ${show(node)}`);
    }
    if (type === "int" && (node.kind !== "number" || kindOf(node.value) !== "int")) {
      this.fail(`expected integer; found ${show(node)}`);
    }
    if (type === "[]string") this.fail(`can't handle ${show(node)} for arg of type []string`);
    return this.plain(dot, node);
  }

  private checked(value: unknown, type: Type): unknown {
    if (fits(value, type)) return value;
    if (value === undefined) this.fail(`invalid value; expected ${type}`);
    this.fail(`wrong type for value; expected ${type}; got ${typeName(value)}`);
  }
}

/** Runs a template on `data`. Throws TemplateError with Go's text and position. */
export function execute(template: Template, data: unknown, rules: Rules): string {
  const run = new Run(template, rules, template.name, 0, data, data);
  const list = template.lists.get(template.name);
  try {
    if (list !== undefined) run.walk(data, list);
    else run.fail(`${quoteGo(template.name)} is an incomplete or empty template`);
  } catch (error) {
    if (error instanceof TemplateError) error.written = run.output;
    throw error;
  }
  return run.output;
}
