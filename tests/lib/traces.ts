/** What the machine's network has of an engine, which nobody may leave behind. */
import { defaultBridgeName, netPlaces } from "../../src/net/places.ts";

/** A file in which each engine notes its run directory, so that all can be looked after in the end. */
export const ENGINES_VARIABLE = "DIPLODOCK_TEST_ENGINES";

/** Notes it, where somebody asks for it. */
export function noteEngine(run: string): void {
  const log = Deno.env.get(ENGINES_VARIABLE);
  if (log !== undefined) Deno.writeTextFileSync(log, `${run}\n`, { append: true });
}

async function lines(program: string, ...args: string[]): Promise<string[]> {
  try {
    const { stdout } = await new Deno.Command(program, { args }).output();
    return new TextDecoder().decode(stdout).split("\n");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Bridges, and lines of rules, of the engines with these run directories. */
export async function networkTraces(runs: readonly string[]): Promise<string[]> {
  const bridges = new Set(runs.map((run) => defaultBridgeName(netPlaces("", run))));
  const links = Array.from(Deno.readDirSync("/sys/class/net"), ({ name }) => name);
  const rules = [
    ...await lines("iptables-save"),
    ...await lines("ip6tables-save"),
    ...await lines("nft", "list", "ruleset"),
  ];
  const tags = new Set(runs.map((run) => netPlaces("", run).tag));
  const isOurs = (rule: string) =>
    [...rule.matchAll(/diplodock-([0-9a-f]{4})\b/gi)].some(([, tag]) => tags.has(tag));
  return [
    ...links.filter((name) => bridges.has(name)).map((name) => `interface ${name}`),
    ...rules.filter(isOurs).map((rule) => `rule ${rule.trim()}`),
  ];
}
