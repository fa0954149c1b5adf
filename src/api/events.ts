/** GET /events: what happens, one JSON value a line, until the client goes. */
import { eventTest } from "../engine/event_filters.ts";
import { followEvents } from "../engine/event_log.ts";
import { type Exchange, JSON_TYPE } from "./exchange.ts";
import { ApiError } from "./http_head.ts";

/** GET /events. */
export async function events(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  const span = { since: query.moment("since"), until: query.moment("until") };
  if (span.since !== undefined && span.until !== undefined && span.since > span.until) {
    const [since, until] = [query.text("since"), query.text("until")];
    const words = `\`since\` time (${since}) cannot be after \`until\` time (${until})`;
    throw new ApiError(400, words);
  }
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
