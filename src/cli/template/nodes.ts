/** The parts of a parsed template. `at` is an offset into the text, in UTF-16 units. */
export type Node = Text | Action | Branch | Call | Jump | Mark;

export interface Text {
  readonly kind: "text";
  readonly at: number;
  text: string;
}
export interface Action {
  readonly kind: "action";
  readonly at: number;
  readonly pipe: Pipe;
}
/** if, with and range. */
export interface Branch {
  readonly kind: "if" | "with" | "range";
  readonly at: number;
  readonly pipe: Pipe;
  readonly list: Node[];
  readonly otherwise: Node[] | undefined;
}
/** `{{template "name" pipe}}`; a block is one of these besides its definition. */
export interface Call {
  readonly kind: "template";
  readonly at: number;
  readonly name: string;
  readonly pipe: Pipe | undefined;
}
export interface Jump {
  readonly kind: "break" | "continue";
  readonly at: number;
}
/** `{{end}}` and `{{else}}`: seen by the parser only. */
export interface Mark {
  readonly kind: "end" | "else";
  readonly at: number;
}

export interface Pipe {
  readonly kind: "pipe";
  readonly at: number;
  readonly declared: string[];
  assign: boolean;
  readonly commands: Command[];
}
export interface Command {
  readonly kind: "command";
  readonly at: number;
  readonly args: Operand[];
}
export type Operand =
  | Pipe
  | { readonly kind: "dot" | "nil"; readonly at: number }
  | { readonly kind: "bool"; readonly at: number; readonly value: boolean }
  | { readonly kind: "number"; readonly at: number; readonly text: string; readonly value: unknown }
  | {
    readonly kind: "string";
    readonly at: number;
    readonly quoted: string;
    readonly value: string;
  }
  | { readonly kind: "field"; readonly at: number; readonly path: string[] }
  | {
    readonly kind: "variable";
    readonly at: number;
    readonly name: string;
    readonly path: string[];
  }
  | { readonly kind: "identifier"; readonly at: number; readonly name: string }
  | {
    readonly kind: "chain";
    readonly at: number;
    readonly node: Operand;
    readonly path: string[];
  };

const dotted = (path: readonly string[]) => path.map((name) => "." + name).join("");

/** The source form of a node, as error texts show it between < and >. */
export function show(node: Operand | Command | Node): string {
  switch (node.kind) {
    case "pipe": {
      const left = node.declared.join(", ");
      const right = node.commands.map(show).join(" | ");
      return left === "" ? right : `${left} ${node.assign ? "=" : ":="} ${right}`;
    }
    case "command":
      return node.args.map((arg) => arg.kind === "pipe" ? `(${show(arg)})` : show(arg)).join(" ");
    case "dot":
      return ".";
    case "nil":
      return "nil";
    case "bool":
      return String(node.value);
    case "number":
      return node.text;
    case "string":
      return node.quoted;
    case "field":
      return dotted(node.path);
    case "variable":
      return node.name + dotted(node.path);
    case "identifier":
      return node.name;
    case "chain":
      return (node.node.kind === "pipe" ? `(${show(node.node)})` : show(node.node)) +
        dotted(node.path);
    case "action":
      return `{{${show(node.pipe)}}}`;
    case "template":
      return `{{template ${JSON.stringify(node.name)}${node.pipe ? " " + show(node.pipe) : ""}}}`;
    case "text":
      return node.text;
    default:
      return `{{${node.kind}}}`;
  }
}

/** A template that does not parse or does not run; `message` is Go's, from "template: " on. */
export class TemplateError extends Error {
  override name = "TemplateError";
  /** What the template had written before it failed. */
  written = "";
  constructor(message: string, readonly phase: "parse" | "execute") {
    super(message);
  }
}
