import { quoteGo } from "../../base/quote.ts";
import { lex, type Token, type TokenKind } from "./lex.ts";
import { number, unquote } from "./literals.ts";
import {
  type Branch,
  type Command,
  type Mark,
  type Node,
  type Operand,
  type Pipe,
  show,
} from "./nodes.ts";
import { TemplateError } from "./nodes.ts";

/** A parsed template with those it defines. The main one has the name "". */
export interface Template {
  readonly text: string;
  /** Name in error texts, mostly empty: `template: <name>:1:2: …`. */
  readonly name: string;
  readonly lists: ReadonlyMap<string, readonly Node[]>;
}

const OPERANDS: ReadonlySet<TokenKind> = new Set<TokenKind>([
  "bool",
  "char",
  "dot",
  "field",
  "identifier",
  "number",
  "nil",
  "string",
  "variable",
  "(",
]);
const NOT_EXECUTABLE: ReadonlySet<string> = new Set(["bool", "dot", "nil", "number", "string"]);

/** How error texts show a token. */
function showToken(token: Token): string {
  if (token.kind === "EOF") return "EOF";
  if (token.kind === "error") return token.text;
  if (token.kind === "keyword" || token.kind === "nil" || token.kind === "dot") {
    return `<${token.text}>`;
  }
  const text = Array.from(token.text);
  return text.length > 10 ? quoteGo(text.slice(0, 10).join("")) + "..." : quoteGo(token.text);
}

class Parser {
  readonly lists = new Map<string, Node[]>();
  private readonly tokens: Token[];
  private at = 0;
  /** The furthest token looked at: Go words the line of an error after it. */
  private seen = 0;
  private actionLine = 0;
  private rangeDepth = 0;
  private variables = ["$"];

  constructor(text: string, private readonly name: string, private readonly functions: Names) {
    this.tokens = lex(text);
  }

  main(): void {
    const list: Node[] = [];
    while (this.peek().kind !== "EOF") {
      if (this.peek().kind === "open") {
        const start = this.at++;
        const token = this.next(true);
        if (token.text === "define" && token.kind === "keyword") {
          this.definition();
          continue;
        }
        this.at = start;
      }
      const node = this.textOrAction();
      if (node.kind === "end" || node.kind === "else") this.fail(`unexpected ${show(node)}`);
      list.push(node);
    }
    this.define(this.name, list);
  }

  private peek(skipSpace = false): Token {
    const token = this.next(skipSpace);
    this.at--;
    return token;
  }

  private next(skipSpace = false): Token {
    const last = this.tokens.length - 1;
    if (skipSpace) { while (this.tokens[Math.min(this.at, last)].kind === "space") this.at++; }
    const token = this.tokens[Math.min(this.at, last)];
    this.seen = Math.max(this.seen, Math.min(this.at, last));
    this.at++;
    return token;
  }

  private fail(text: string): never {
    const line = this.tokens[this.seen].line;
    throw new TemplateError(`template: ${this.name}:${line}: ${text}`, "parse");
  }

  private unexpected(token: Token, context: string): never {
    if (token.kind !== "error") this.fail(`unexpected ${showToken(token)} in ${context}`);
    let extra = "";
    if (this.actionLine !== 0 && this.actionLine !== token.line) {
      extra = ` in action started at ${this.name}:${this.actionLine}`;
      if (token.text.endsWith(" action")) extra = extra.slice(" in action".length);
    }
    this.fail(token.text + extra);
  }

  private expect(kind: TokenKind, context: string): Token {
    const token = this.next(true);
    if (token.kind !== kind) this.unexpected(token, context);
    return token;
  }

  private unquote(token: Token): string {
    try {
      return unquote(token.text);
    } catch (error) {
      this.fail((error as Error).message);
    }
  }

  private isEmpty(list: readonly Node[]): boolean {
    return list.every((node) => node.kind === "text" && /^\s*$/.test(node.text));
  }

  private define(name: string, list: Node[]): void {
    const old = this.lists.get(name);
    if (old === undefined || this.isEmpty(old)) this.lists.set(name, list);
    else if (!this.isEmpty(list)) {
      this.fail(`template: multiple definition of template ${quoteGo(name)}`);
    }
  }

  private definition(): void {
    const context = "define clause";
    const name = this.unquote(this.expect("string", context));
    this.expect("close", context);
    this.body(name, context);
  }

  /** The list of a define or block: it has variables of its own. */
  private body(name: string, context: string): void {
    const [variables, depth] = [this.variables, this.rangeDepth];
    [this.variables, this.rangeDepth] = [["$"], 0];
    const [list, end] = this.list();
    if (end.kind !== "end") this.fail(`unexpected ${show(end)} in ${context}`);
    this.define(name, list);
    [this.variables, this.rangeDepth] = [variables, depth];
  }

  private list(): [Node[], Mark] {
    const list: Node[] = [];
    while (this.peek(true).kind !== "EOF") {
      const node = this.textOrAction();
      if (node.kind === "end" || node.kind === "else") return [list, node];
      list.push(node);
    }
    this.fail("unexpected EOF");
  }

  private textOrAction(): Node {
    const token = this.next(true);
    if (token.kind === "text") return { kind: "text", at: token.at, text: token.text };
    if (token.kind !== "open") this.unexpected(token, "input");
    this.actionLine = token.line;
    const node = this.action();
    this.actionLine = 0;
    return node;
  }

  private action(): Node {
    const token = this.next(true);
    if (token.kind !== "keyword") {
      this.at--;
      const at = this.peek().at;
      return { kind: "action", at, pipe: this.pipeline("command", "close") };
    }
    switch (token.text) {
      case "if":
      case "with":
      case "range":
        return this.branch(token.text);
      case "else": {
        const peeked = this.peek(true);
        const chained = peeked.kind === "keyword" && /^(if|with)$/.test(peeked.text);
        return { kind: "else", at: chained ? peeked.at : this.expect("close", "else").at };
      }
      case "end":
        return { kind: "end", at: this.expect("close", "end").at };
      case "break":
      case "continue": {
        const close = this.next(true);
        if (close.kind !== "close") this.unexpected(close, `{{${token.text}}}`);
        if (this.rangeDepth === 0) this.fail(`{{${token.text}}} outside {{range}}`);
        return { kind: token.text, at: token.at };
      }
      case "template":
      case "block":
        return this.call(token.text);
    }
    this.unexpected(token, "command");
  }

  private call(word: "template" | "block"): Node {
    const context = `${word} clause`;
    const token = this.next(true);
    if (token.kind !== "string") this.unexpected(token, context);
    const name = this.unquote(token);
    let pipe: Pipe | undefined;
    if (word === "template" && this.peek(true).kind === "close") this.next(true);
    else pipe = this.pipeline(context, "close");
    if (word === "block") this.body(name, context);
    return { kind: "template", at: token.at, name, pipe };
  }

  private branch(kind: Branch["kind"]): Branch {
    const count = this.variables.length;
    const pipe = this.pipeline(kind, "close");
    if (kind === "range") this.rangeDepth++;
    const [list, mark] = this.list();
    if (kind === "range") this.rangeDepth--;
    let otherwise: Node[] | undefined;
    if (mark.kind === "else") {
      if (kind !== "range" && this.peek().kind === "keyword" && this.peek().text === kind) {
        this.next();
        otherwise = [this.branch(kind)];
      } else {
        let end: Mark;
        [otherwise, end] = this.list();
        if (end.kind !== "end") this.fail(`expected end; found ${show(end)}`);
      }
    }
    this.variables.length = count;
    return { kind, at: pipe.at, pipe, list, otherwise };
  }

  private pipeline(context: string, end: TokenKind): Pipe {
    const at = this.peek(true).at;
    const pipe: Pipe = { kind: "pipe", at, declared: [], assign: false, commands: [] };
    while (this.declaration(pipe, context));
    for (;;) {
      const token = this.next(true);
      if (token.kind === end) break;
      if (!OPERANDS.has(token.kind)) this.unexpected(token, context);
      this.at--;
      pipe.commands.push(this.command());
    }
    if (pipe.commands.length === 0) this.fail(`missing value for ${context}`);
    const bad = pipe.commands.findIndex((c, i) => i > 0 && NOT_EXECUTABLE.has(c.args[0].kind));
    if (bad > 0) this.fail(`non executable command in pipeline stage ${bad + 1}`);
    return pipe;
  }

  /** One `$x :=`, `$x =` or `$i,`; true when another one must follow. */
  private declaration(pipe: Pipe, context: string): boolean {
    const start = this.at;
    const variable = this.next(true);
    const sign = variable.kind === "variable" ? this.next(true) : undefined;
    if (sign?.kind === "=" || sign?.kind === ":=") {
      pipe.assign = sign.kind === "=";
      pipe.declared.push(variable.text);
      this.variables.push(variable.text);
      return false;
    }
    if (sign?.kind !== "other" || sign.text !== ",") {
      this.at = start;
      return false;
    }
    pipe.declared.push(variable.text);
    this.variables.push(variable.text);
    if (context !== "range" || pipe.declared.length > 1) {
      this.fail(`too many declarations in ${context}`);
    }
    if (!["variable", "close", ")"].includes(this.peek(true).kind)) {
      this.fail("range can only initialize variables");
    }
    return true;
  }

  private command(): Command {
    const command: Command = { kind: "command", at: this.peek(true).at, args: [] };
    for (;;) {
      const operand = this.operand();
      if (operand !== undefined) command.args.push(operand);
      const token = this.next();
      if (token.kind === "space") continue;
      if (token.kind === "close" || token.kind === ")") this.at--;
      else if (token.kind !== "|") this.unexpected(token, "operand");
      break;
    }
    if (command.args.length === 0) this.fail("empty command");
    return command;
  }

  /** A term with the fields that stand right behind it. */
  private operand(): Operand | undefined {
    const node = this.term();
    if (node === undefined || this.peek().kind !== "field") return node;
    const at = this.peek().at;
    const path: string[] = [];
    while (this.peek().kind === "field") path.push(this.next().text.slice(1));
    if (node.kind === "field") return { kind: "field", at, path: [...node.path, ...path] };
    if (node.kind === "variable") return { ...node, at, path };
    if (NOT_EXECUTABLE.has(node.kind)) {
      this.fail(`unexpected . after term ${quoteGo(show(node))}`);
    }
    return { kind: "chain", at, node, path };
  }

  private term(): Operand | undefined {
    const token = this.next(true);
    const at = token.at;
    switch (token.kind) {
      case "identifier":
        if (!this.functions.has(token.text)) {
          this.fail(`function ${quoteGo(token.text)} not defined`);
        }
        return { kind: "identifier", at, name: token.text };
      case "dot":
      case "nil":
        return { kind: token.kind, at };
      case "variable":
        if (!this.variables.includes(token.text)) {
          this.fail(`undefined variable ${quoteGo(token.text)}`);
        }
        return { kind: "variable", at, name: token.text, path: [] };
      case "field":
        return { kind: "field", at, path: [token.text.slice(1)] };
      case "bool":
        return { kind: "bool", at, value: token.text === "true" };
      case "char":
      case "number":
        return { kind: "number", at, text: token.text, value: this.number(token) };
      case "(":
        return this.pipeline("parenthesized pipeline", ")");
      case "string":
        return { kind: "string", at, quoted: token.text, value: this.unquote(token) };
    }
    this.at--;
    return undefined;
  }

  private number(token: Token): unknown {
    try {
      return number(token.text);
    } catch (error) {
      this.fail((error as Error).message);
    }
  }
}

type Names = Pick<ReadonlySet<string>, "has">;

/**
 * Parses a Go template (text/template). `functions` are the names it may call. Throws
 * TemplateError with Go's text, e.g. `template: :1: unclosed action`.
 */
export function parse(text: string, name: string, functions: Names): Template {
  const parser = new Parser(text, name, functions);
  parser.main();
  return { text, name, lists: parser.lists };
}
