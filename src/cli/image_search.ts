import { collectFilters } from "../base/filter.ts";
import { SEARCH_FILTERS, searchImages } from "../image/search.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { daemon } from "./image_context.ts";
import { FILTER } from "./list_flags.ts";
import { ellipsis, type ListSpec, printList } from "./output.ts";

export const spec = {
  name: "search",
  usage: "[OPTIONS] TERM",
  summary: "Search Docker Hub for images",
  description: "Search Docker Hub for images, or the catalog of the registry in HOST/TERM",
  args: [1, 1],
  flags: {
    filter: FILTER,
    format: { type: "string", help: "Pretty-print search using a Go template" },
    limit: { type: "int", help: "Max number of search results", default: 25 },
    "no-trunc": { type: "bool", help: "Don't truncate output" },
  },
  examples: ["diplodock search nginx", "diplodock search localhost:5000/app"],
} as const satisfies CommandSpec;

const LIST: ListSpec = {
  headers: {
    Name: "NAME",
    Description: "DESCRIPTION",
    StarCount: "STARS",
    IsOfficial: "OFFICIAL",
    IsAutomated: "AUTOMATED",
  },
  columns: ["Name", "Description", "StarCount", "IsOfficial"],
  quietField: "Name",
  typeName: "*formatter.searchContext",
};

/** `diplodock search`. */
export async function command(args: string[]): Promise<number> {
  const { options, args: [term] } = parseArgs(spec, args);
  const found = await daemon(() => {
    const filters = collectFilters(options.filter, SEARCH_FILTERS);
    return searchImages(term, options.limit, filters);
  });
  const rows = found.map((one) => ({
    Name: one.name,
    Description: ellipsis(one.description.replaceAll(/[\r\n]/g, " "), 45, options.noTrunc),
    StarCount: String(one.stars),
    IsOfficial: one.official ? "[OK]" : "",
    IsAutomated: "",
  }));
  await printList(rows, LIST, { ...(options.format !== undefined && { format: options.format }) });
  return 0;
}
