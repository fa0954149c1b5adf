/** GET /events: what happens, one JSON value a line, until the client goes. */
import { UserError } from "../base/errors.ts";
import { parseMoment } from "../base/time.ts";
import { eventTest } from "../engine/event_filters.ts";
import { followEvents } from "../engine/event_log.ts";
import { type Exchange, JSON_TYPE } from "./exchange.ts";
import { ApiError } from "./http_head.ts";

function moment(text: string): bigint | undefined {
  if (text === "" || text === "0") return undefined;
  try {
    return parseMoment(text);
  } catch (error) {
    throw error instanceof UserError ? error : new ApiError(400, (error as Error).message);
  }
}

/** GET /events. */
export async function events(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  const span = { since: moment(query.text("since")), until: moment(query.text("until")) };
  const test = eventTest(query.filters());
  const answer = await exchange.start(200, JSON_TYPE);
  const told = followEvents(span, async (event) => {
    if (test(event)) await answer.write(`${event.line}\n`);
  });
  // Who only looks for what comes has no other end than this.
  if (await Promise.race([told.then(() => true), exchange.gone.then(() => false)])) {
    await answer.end();
  }
}
