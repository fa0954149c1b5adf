/** What `build --check` prints, as docker buildx does. */
import { escapeLines } from "../base/controls.ts";
import { UserError } from "../base/errors.ts";
import { DockerfileError } from "../build/dockerfile.ts";
import { type Finding, lint } from "../build/lint.ts";
import { excerpt } from "./build_failure.ts";

/** Prints the findings on stdout; the exit code: 1 if there are any. Throws UserError. */
export function printChecks(file: { name: string; text: string }): number {
  const findings = findingsIn(file);
  if (findings.length === 0) {
    console.log("Check complete, no warnings found.");
    return 0;
  }
  const [count, has] = findings.length === 1 ? ["1 warning", "has"] : [
    `${findings.length} warnings`,
    "have",
  ];
  console.log(`Check complete, ${count} ${has} been found!`);
  for (const { rule, text, first, last } of findings) {
    const page = rule.replace(/(?<=[a-z])(?=[A-Z])|(?<=JSON)/g, "-").toLowerCase();
    const link = `https://docs.docker.com/go/dockerfile/rule/${page}/`;
    const lines = ["", `WARNING: ${rule} - ${link}`, text, excerpt(file, first, last)];
    console.log(escapeLines(lines.join("\n")));
  }
  return 1;
}

function findingsIn(file: { name: string; text: string }): Finding[] {
  try {
    return lint(file.text);
  } catch (error) {
    if (!(error instanceof DockerfileError)) throw error;
    if (error.first !== undefined) {
      console.error(escapeLines(excerpt(file, error.first, error.last!)));
    }
    throw new UserError(`ERROR: failed to solve: ${error.message}`);
  }
}
