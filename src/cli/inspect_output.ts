/** The output that all `inspect` commands share: an array, or a template on each element. */
import { messageOf } from "../base/errors.ts";
import { isRefusal } from "../engine/refusal.ts";
import { writeOut } from "./output.ts";

/** Finds what a reference names. */
export type Find = (reference: string) => unknown | Promise<unknown>;

/** docker's text of the --format flag. */
export const FORMAT_HELP = "Format output using a custom template:\n" +
  "'json':             Print in JSON format\n" +
  "'TEMPLATE':         Print output using the given Go template.";

/**
 * Prints what is found, then the errors; the exit code. Nothing found: `[]`, or an empty line
 * with a template. `typedOnly`: a template's second attempt at the bare JSON is not made.
 */
export async function printInspected(
  references: readonly string[],
  find: Find,
  format = "",
  typedOnly = false,
): Promise<number> {
  const found: unknown[] = [];
  const errors: string[] = [];
  const render = format === "" || format === "json" ? undefined : await renderer(format, typedOnly);
  const rendered: string[] = [];
  for (const reference of references) {
    try {
      const value = await find(reference);
      if (render === undefined) found.push(value);
      else rendered.push(render(value));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      errors.push(messageOf(error));
    }
  }
  if (render !== undefined) await writeOut(rendered.length === 0 ? "\n" : rendered.join(""));
  else await writeOut(`${JSON.stringify(found, undefined, format === "json" ? 0 : 4)}\n`);
  for (const line of errors) console.error(line);
  return errors.length > 0 ? 1 : 0;
}

/** A template that does not parse is an error before anything is looked up: exit code 64. */
async function renderer(
  format: string,
  typedOnly: boolean,
): Promise<(value: unknown) => string> {
  const { renderInspected } = await import("./list_template.ts");
  const { parseTemplate, TemplateError } = await import("./template/template.ts");
  try {
    parseTemplate(format);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    const { UserError } = await import("../base/errors.ts");
    throw new UserError(`template parsing error: ${error.message}`, 64);
  }
  return (value) => `${renderInspected(format, value, typedOnly)}\n`;
}
