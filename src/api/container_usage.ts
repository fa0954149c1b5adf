/** What containers do and use: their processes and their figures. */
import { readRecord } from "../engine/containers.ts";
import { type Before, rawStats } from "../engine/raw_stats.ts";
import { containerProcesses } from "../engine/top.ts";
import { containerId } from "./containers.ts";
import { type Exchange, JSON_TYPE } from "./exchange.ts";

const INTERVAL_MS = 1000;

const wait = () => new Promise<false>((done) => setTimeout(() => done(false), INTERVAL_MS));

/** GET /containers/{id}/top. */
export async function top(exchange: Exchange): Promise<void> {
  const words = exchange.query.text("ps_args").split(/\s+/).filter(Boolean);
  const { titles, rows } = containerProcesses(containerId(exchange), words);
  await exchange.json(200, { Titles: titles, Processes: rows });
}

/** GET /containers/{id}/stats: every second, or once; once at once with `one-shot`. */
export async function stats(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  const id = containerId(exchange);
  const record = readRecord(id);
  let before: Before;
  if (!query.flag("stream", true)) {
    if (!query.flag("one-shot")) {
      before = rawStats(record, undefined);
      await wait();
    }
    return await exchange.json(200, rawStats(record, before));
  }
  const answer = await exchange.start(200, JSON_TYPE);
  const gone = exchange.gone.then(() => true);
  do {
    const sample = rawStats(record, before);
    await answer.write(JSON.stringify(sample) + "\n");
    before = sample;
    if (await Promise.race([gone, wait()])) return;
  } while (isThere(id));
  await answer.end();
}

function isThere(id: string): boolean {
  try {
    return readRecord(id).Id === id;
  } catch {
    return false; // removed: its figures have an end
  }
}
