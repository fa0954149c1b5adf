/** The words behind "?" of a request, read as docker's daemon reads them. Pure. */
import { collectFilters, type Filters } from "../base/filter.ts";
import { parseMoment } from "../base/time.ts";
import { ApiError } from "./http_head.ts";

/** What counts as no in a query; every other text is a yes. */
const NO: readonly string[] = ["", "0", "no", "false", "none"];

/** A parsed query. */
export class Query {
  readonly #params: URLSearchParams;
  constructor(text: string) {
    this.#params = new URLSearchParams(text);
  }

  has(name: string): boolean {
    return this.#params.has(name);
  }

  /** The first value; empty when there is none. */
  text(name: string): string {
    return this.#params.get(name) ?? "";
  }

  all(name: string): string[] {
    return this.#params.getAll(name);
  }

  flag(name: string, absent = false): boolean {
    const value = this.#params.get(name);
    return value === null ? absent : !NO.includes(value.trim().toLowerCase());
  }

  /** A whole number. Throws ApiError 400 for anything else. */
  integer(name: string): number | undefined {
    const text = this.text(name).trim();
    if (text === "") return undefined;
    if (/^[+-]?\d{1,15}$/.test(text)) return Number(text);
    throw new ApiError(400, `strconv.Atoi: parsing "${text}": invalid syntax`);
  }

  /** A moment; undefined without one. Throws ApiError 400, whose text begins with `refusal`. */
  moment(name: string, refusal = ""): bigint | undefined {
    const text = this.text(name);
    if (text === "" || text === "0") return undefined;
    try {
      return parseMoment(text);
    } catch (error) {
      throw new ApiError(400, refusal + (error as Error).message);
    }
  }

  /**
   * `filters`: JSON, of each key a list of values or, in the older form, an object whose members
   * are the values. Throws ApiError 400 for what is none, UserError for a key not in `known`.
   */
  filters(known?: readonly string[]): Filters {
    const text = this.text("filters");
    if (text === "") return new Map();
    const pairs: [string, string][] = [];
    for (const [key, values] of Object.entries(parseFilters(text))) {
      const list = Array.isArray(values) ? values : Object.keys(values as object);
      for (const value of list) {
        if (typeof value !== "string") throw new ApiError(400, "invalid filter");
        pairs.push([key, value]);
      }
    }
    return collectFilters(pairs, known);
  }
}

function parseFilters(text: string): object {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new ApiError(400, "invalid filter");
  }
  const isObject = (value: unknown) => typeof value === "object" && value !== null;
  if (!isObject(parsed) || Array.isArray(parsed) || !Object.values(parsed!).every(isObject)) {
    throw new ApiError(400, "invalid filter");
  }
  return parsed!;
}
