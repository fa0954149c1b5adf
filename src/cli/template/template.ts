import { execute } from "./execute.ts";
import { FUNCTIONS, HEADER_FUNCTIONS } from "./functions.ts";
import { parse, type Template } from "./parse.ts";

export { TemplateError } from "./nodes.ts";
export type { Template } from "./parse.ts";

/** How to run a template. */
export interface ExecuteOptions {
  /**
   * `struct`: the root is one row of a list, whose unknown fields are errors that name
   * `typeName`. `map`: JSON as inspect has it, absent keys are errors.
   */
  readonly mode: "struct" | "map";
  readonly typeName?: string;
  /** The data are the titles of a table. */
  readonly header?: boolean;
}

/**
 * Parses a Go template with docker's functions. Throws TemplateError (`phase` "parse") whose
 * message is Go's, e.g. `template: :1: unclosed action`.
 */
export function parseTemplate(text: string, name = ""): Template {
  return parse(text, name, FUNCTIONS);
}

/** Runs a template; the text it writes. Throws TemplateError (`phase` "execute"). */
export function executeTemplate(
  template: Template,
  data: unknown,
  options: ExecuteOptions,
): string {
  return execute(template, data, {
    functions: options.header ? HEADER_FUNCTIONS : FUNCTIONS,
    mode: options.mode,
    typeName: options.typeName ?? "map[string]interface {}",
  });
}
