/** `search`: Docker Hub's search; the catalog of any other registry. */
import { UserError } from "../base/errors.ts";
import { booleanFilter, type Filters, invalidFilter } from "../base/filter.ts";
import { findCredentials } from "./credentials.ts";
import { type Answer, ask } from "./http.ts";
import { boundedBody, errorFrom, unreachable } from "./registry_error.ts";
import { Repository } from "./registry.ts";

/** A repository that was found. */
export interface Found {
  name: string;
  description: string;
  stars: number;
  official: boolean;
}

const MAX_ANSWER = 8 << 20;

/** "host:5000/term" -> the registry and the term; a bare term is for Docker Hub. */
export function splitTerm(term: string): { domain: string; term: string } {
  const slash = term.indexOf("/");
  const first = slash < 0 ? "" : term.slice(0, slash);
  if (slash >= 0 && (/[.:]/.test(first) || first === "localhost")) {
    const isHub = first === "docker.io" || first === "index.docker.io";
    return { domain: isHub ? "docker.io" : first, term: term.slice(slash + 1) };
  }
  return { domain: "docker.io", term };
}

/** The filters there are. */
export const SEARCH_FILTERS: readonly string[] = ["is-official", "is-automated", "stars"];

/**
 * Looks for repositories; of at most `limit`, most stars first, those that pass. Throws UserError
 * for a limit or a filter that is none, RegistryError.
 */
export async function searchImages(
  text: string,
  limit: number,
  filters: Filters,
): Promise<Found[]> {
  const official = booleanFilter(filters, "is-official");
  const automated = booleanFilter(filters, "is-automated");
  const stars = (filters.get("stars") ?? []).map((text) => {
    if (!/^\d+$/.test(text)) throw invalidFilter("stars", text);
    return Number(text);
  });
  if (limit < 1 || limit > 100) {
    throw new UserError(`limit ${limit} is outside the range of [1, 100]`);
  }
  const { domain, term } = splitTerm(text);
  const found = domain === "docker.io"
    ? await searchHub(term, limit)
    : await searchCatalog(domain, term, limit);
  // Docker Hub has no automated builds any more.
  return automated === true
    ? []
    : found.filter((one) =>
      one.stars >= Math.max(0, ...stars) && (official === undefined || one.official === official)
    );
}

async function searchHub(term: string, limit: number): Promise<Found[]> {
  const url = new URL("https://index.docker.io/v1/search");
  url.searchParams.set("q", term);
  url.searchParams.set("n", String(limit));
  let response: Answer;
  try {
    response = await ask("GET", url.href, { headers: {} });
  } catch (error) {
    throw unreachable(error, "GET", url.href);
  }
  if (!response.ok) throw await errorFrom(response, "GET");
  const { results } = JSON.parse(
    new TextDecoder().decode(await boundedBody(response, MAX_ANSWER, "the search's answer")),
  ) as { results?: Record<string, unknown>[] };
  return (results ?? []).map((result) => ({
    name: String(result.name ?? ""),
    description: String(result.description ?? ""),
    stars: Number(result.star_count ?? 0),
    official: result.is_official === true,
  })).sort((a, b) => b.stars - a.stars);
}

async function searchCatalog(domain: string, term: string, limit: number): Promise<Found[]> {
  const repository = new Repository(domain, "", "pull", await findCredentials(domain));
  const names = (await repository.catalog()).filter((name) => name.includes(term)).sort();
  return names.slice(0, limit).map((name) => ({
    name: `${domain}/${name}`,
    description: "",
    stars: 0,
    official: false,
  }));
}
