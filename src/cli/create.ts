import { createWithImage } from "../engine/run.ts";
import { engineFailure } from "./run_failure.ts";
import { pullForRun } from "./run_pull.ts";
import { createSpec, parseRunFlags } from "./run_flags.ts";

export const spec = createSpec;

/** `diplodock create`: prints the id. */
export async function command(words: string[]): Promise<number> {
  const { client, create } = parseRunFlags("create", words);
  try {
    const record = await createWithImage(create, client, ["create", ...words], pullForRun);
    console.log(record.Id);
    return 0;
  } catch (error) {
    throw engineFailure(error, "create");
  }
}
