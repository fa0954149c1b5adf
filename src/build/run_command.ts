/** The command of a RUN with here-documents. Source: Dockerfile reference, "Here-Documents". */
import { type Heredoc, heredocOf } from "./heredoc.ts";
import type { Command, RunInstruction } from "./instruction.ts";

/** What is run, and a script that must be there as a file. */
export interface RunCommand {
  readonly command: Command;
  readonly script?: { readonly name: string; readonly text: string };
}

/**
 * A line that is a here-document alone is what the shell gets, or a program of its own if it
 * begins with "#!"; any other line goes to the shell with its here-documents.
 */
export function runCommand({ command, heredocs }: RunInstruction, escape: string): RunCommand {
  if (command.form === "exec" || heredocs.length === 0) return { command };
  const [only] = heredocs;
  if (heredocs.length === 1 && heredocOf(command.line.trim(), escape)?.name === only.name) {
    if (!only.content.startsWith("#!")) {
      return { command: { form: "shell", line: only.content } };
    }
    const words = [`/dev/pipes/${only.name}`];
    return { command: { form: "exec", words }, script: { name: only.name, text: only.content } };
  }
  const rest = heredocs.map((doc: Heredoc) => `\n${doc.content}${doc.name}`).join("");
  return { command: { form: "shell", line: command.line + rest } };
}
