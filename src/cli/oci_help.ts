/** Help of the OCI commands. */
import type { OciOptions } from "./oci_args.ts";
import type { OciCommand } from "./oci_context.ts";

function optionLines(options: OciOptions): string {
  const rows = Object.entries(options).map(([name, { kind, short, help }]) => {
    const dashed = [`--${name}`, ...(short ? [`-${short}`] : [])].join(", ");
    return [kind === "bool" ? dashed : `${dashed} value`, help];
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, help]) => `   ${left.padEnd(width)}  ${help}\n`).join("");
}

/** The page of one command. */
export function page(name: string, command: OciCommand): string {
  const options = Object.keys(command.options).length === 0
    ? ""
    : `\nOPTIONS:\n${optionLines(command.options)}`;
  return `NAME:\n   diplodock oci ${name} - ${command.summary}\n\n` +
    `USAGE:\n   diplodock oci ${name} ${command.usage}\n${options}`;
}

/** The front page. */
export async function overview(
  commands: Readonly<Record<string, () => Promise<OciCommand>>>,
  global: OciOptions,
): Promise<string> {
  let lines = "";
  for (const [name, load] of Object.entries(commands)) {
    lines += `   ${name.padEnd(10)}  ${(await load()).summary}\n`;
  }
  return "NAME:\n   diplodock oci - run containers of OCI bundles, with runc's command line\n\n" +
    "USAGE:\n   diplodock oci [global options] command [command options] [arguments...]\n\n" +
    `COMMANDS:\n${lines}\nGLOBAL OPTIONS:\n${optionLines(global)}`;
}
