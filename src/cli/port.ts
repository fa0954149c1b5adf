import { UserError } from "../base/errors.ts";
import { readRecord, resolveContainer } from "../engine/containers.ts";
import { joinHostPort, portRows } from "../engine/ports.ts";
import { stateOf } from "../engine/state.ts";
import { type CommandSpec, parseArgs, parseInteger } from "./args.ts";
import { daemon } from "./engine_error.ts";

export const spec = {
  name: "port",
  usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
  summary: "List port mappings or a specific mapping for the container",
  aliases: ["container port", "port"],
  args: [1, 2],
  complete: ["container"],
  flags: {},
  examples: ["diplodock port web 80"],
} as const satisfies CommandSpec;

/** `diplodock port`. */
export async function command(words: string[]): Promise<number> {
  const { args: [reference, asked] } = parseArgs(spec, words);
  const ports = await daemon(() => {
    const record = readRecord(resolveContainer(reference));
    const isUp = stateOf(record.Id).kind === "running";
    return isUp ? portRows(record.NetworkSettings.Ports) : [];
  });
  const published = ports.filter(({ hostPort }) => hostPort !== undefined);
  if (asked === undefined) {
    for (const { port, protocol, hostIp, hostPort } of published) {
      console.log(`${port}/${protocol} -> ${joinHostPort(hostIp!, hostPort!)}`);
    }
    return 0;
  }
  const [number, protocol = "tcp"] = asked.split("/");
  try {
    parseInteger(number, 16, true);
  } catch (error) {
    throw new UserError(`Error: invalid port (${number}): ${(error as Error).message}`);
  }
  const matching = published.filter((row) =>
    row.port === Number(number) && row.protocol === protocol.toLowerCase()
  );
  if (matching.length === 0) {
    throw new UserError(`Error: No public port '${asked}' published for ${reference}`);
  }
  for (const { hostIp, hostPort } of matching) console.log(joinHostPort(hostIp!, hostPort!));
  return 0;
}
