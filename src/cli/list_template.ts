import { UserError } from "../base/errors.ts";
import { DOCKER_TYPES, inspectedType } from "./inspect_types.ts";
import type { FormattedOptions, ListSpec, Row } from "./output.ts";
import { toGo } from "./template/go_value.ts";
import {
  executeTemplate,
  parseTemplate,
  type Template,
  TemplateError,
} from "./template/template.ts";

/** Runs `work`, giving a TemplateError the words in which a command puts it. */
function worded<T>(work: () => T, prefix: (phase: string) => string, parseCode: number): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    const code = error.phase === "parse" ? parseCode : 1;
    throw new UserError(prefix(error.phase) + error.message, code);
  }
}

/** The title of `{{.Label "com.example.my-label"}}`: the last part, in words. */
function labelTitle(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1).replace(/[-_]/g, " ");
}

/** A row like docker's own rows, on which `{{json .}}` gives what `--format json` does. */
function withJson(spec: ListSpec, row: Row): Row {
  const hidden = (name: string) =>
    typeof row[name] === "function" || spec.notInJson?.includes(name);
  const names = Object.keys(row).filter((name) => !hidden(name)).sort();
  const toJSON = () => Object.fromEntries(names.map((name) => [name, row[name]]));
  return Object.defineProperty({ ...row }, "toJSON", { value: toJSON, enumerable: false });
}

/**
 * The lines of a list by a template: one a row, with `header` before them the titles. Throws
 * UserError, exit code 1, worded as docker's list commands do.
 */
export function renderList(
  text: string,
  rows: readonly Row[],
  spec: ListSpec,
  header = false,
): string[] {
  const prefix = (phase: string) => spec.isPs ? `failed to ${phase} template: ` : PREFIX;
  const template = worded(() => parseTemplate(text), prefix, 1);
  const options = { mode: "struct", typeName: spec.typeName } as const;
  const run = (row: Row) =>
    worded(() => executeTemplate(template, withJson(spec, row), options), prefix, 1);
  if (rows.length === 0) checkFields(template, spec, prefix);
  const lines = rows.map(run);
  return header ? [titles(template, spec, options), ...lines] : lines;
}

const PREFIX = "template parsing error: ";

/** Without rows a wrong field must not pass for an empty list; what needs values may fail. */
function checkFields(template: Template, spec: ListSpec, prefix: (phase: string) => string) {
  const blank: Record<string, string | ((name: string) => string)> = { Label: () => "" };
  for (const name of Object.keys(spec.headers)) blank[name] ??= "";
  try {
    executeTemplate(template, blank, { mode: "struct", typeName: spec.typeName });
  } catch (error) {
    if (!(error instanceof TemplateError) || !error.message.includes("can't evaluate field")) {
      return;
    }
    throw new UserError(prefix("execute") + error.message);
  }
}

function titles(
  template: Template,
  spec: ListSpec,
  options: { mode: "struct"; typeName: string },
): string {
  const data = { Label: labelTitle, ...spec.headers };
  try {
    return executeTemplate(template, data, { ...options, header: true });
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    return error.written; // as docker: the rows tell what is wrong, if they have it too
  }
}

/** One value by a template. Throws UserError: 64 where it does not parse, 1 where it fails. */
export function renderValue(text: string, data: unknown, options: FormattedOptions): string {
  const template = worded(() => parseTemplate(text, options.name), () => PREFIX, 64);
  const mode = options.typeName === undefined ? "map" : "struct";
  return worded(
    () => executeTemplate(template, data, { mode, typeName: options.typeName }),
    () => PREFIX,
    1,
  );
}

/**
 * One value by a template for `version` and `info`: docker writes as far as the template comes,
 * then the error, without a prefix. Throws UserError with exit code 64 where it does not parse.
 */
export function renderFacts(
  text: string,
  data: unknown,
  options: FormattedOptions,
): { written: string; error?: string } {
  const template = worded(() => parseTemplate(text, options.name), () => PREFIX, 64);
  const mode = options.typeName === undefined ? "map" : "struct";
  try {
    return { written: executeTemplate(template, data, { mode, typeName: options.typeName }) };
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    return { written: error.written, error: error.message };
  }
}

/**
 * Something that `inspect` found by a template: as docker's Go type and, where that fails, as the
 * bare JSON, whose fields have other names. Throws UserError with the error of the last attempt.
 */
export function renderInspected(text: string, value: unknown, typedOnly: boolean): string {
  const typed = toGo(value, inspectedType(value), DOCKER_TYPES);
  try {
    return renderValue(text, typed, {});
  } catch (error) {
    if (typedOnly || !(error instanceof UserError)) throw error;
    return renderValue(text, value, {});
  }
}
