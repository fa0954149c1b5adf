/** An answer that is made of lines of JSON, one for each step of something that takes long. */
import { bar } from "../base/bar.ts";
import type { LayerDisplay } from "../engine/layer_display.ts";
import { type Answer, type Exchange, JSON_TYPE } from "./exchange.ts";

/** What docker draws a bar for; wide enough for all of it. */
const COLUMNS = 200;

/**
 * The lines, in order. The answer begins with the first of them: what fails before is told by a
 * status, what fails later by a line.
 */
export class ProgressAnswer implements LayerDisplay {
  #last: Promise<Answer | undefined> = Promise.resolve(undefined);
  #started = performance.now();

  constructor(readonly exchange: Exchange) {}

  /** Adds a line. */
  send(value: unknown): void {
    const before = this.#last;
    this.#last = (async () => {
      const answer = await before ?? await this.exchange.start(200, JSON_TYPE);
      await answer.write(JSON.stringify(value) + "\r\n");
      return answer;
    })();
    this.#last.catch(() => {}); // seen by end()
  }

  update(id: string, status: string, current: number, total: number): void {
    if (total <= 0) return this.send({ status, progressDetail: {}, id });
    const elapsed = performance.now() - this.#started;
    const progress = bar(current, total, elapsed, COLUMNS);
    this.send({ status, progressDetail: { current, total }, progress, id });
  }

  line(text: string, id?: string): void {
    this.send({ status: text, ...(id !== undefined && { id }) });
  }

  finish(): void {}

  /** Does `work`, whose lines these are, and ends the answer; how it failed is its last line. */
  async during(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Error) || await this.#last === undefined) throw error;
      const { message, code } = error as Error & { readonly code?: unknown };
      const known = typeof code === "number" ? { code } : {};
      this.send({ errorDetail: { ...known, message }, error: message });
    }
    const answer = await this.#last ?? await this.exchange.start(200, JSON_TYPE);
    await answer.end();
  }
}
