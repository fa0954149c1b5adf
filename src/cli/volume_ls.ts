import { collectFilters } from "../base/filter.ts";
import { compareNatural } from "../base/natural.ts";
import { VOLUME_FILTERS, volumesWanted } from "../engine/volume_listing.ts";
import { volumeData, type VolumeRecord } from "../engine/volumes.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { BrokenRecords, daemon } from "./engine_error.ts";
import { FILTER, FORMAT } from "./list_flags.ts";
import { type ListSpec, printList, type Row } from "./output.ts";
import { readUserConfig } from "./user_config.ts";

export const spec = {
  name: "volume ls",
  usage: "[OPTIONS]",
  summary: "List volumes",
  aliases: ["volume ls", "volume list"],
  args: [0, 0],
  flags: {
    filter: { ...FILTER, help: 'Provide filter values (e.g. "dangling=true")' },
    format: FORMAT,
    quiet: { type: "bool", short: "q", help: "Only display volume names" },
  },
  examples: ["diplodock volume ls -q -f dangling=true"],
} as const satisfies CommandSpec;

const LIST: ListSpec = {
  headers: {
    Name: "VOLUME NAME",
    Driver: "DRIVER",
    Scope: "SCOPE",
    Mountpoint: "MOUNTPOINT",
    Labels: "LABELS",
    Links: "LINKS",
    Size: "SIZE",
    Availability: "AVAILABILITY",
    Group: "GROUP",
    Status: "STATUS",
  },
  columns: ["Driver", "Name"],
  quietField: "Name",
  typeName: "*formatter.volumeContext",
  raw: "name: {{.Name}}\ndriver: {{.Driver}}\n",
};

/** The fields of one volume. */
export function volumeRow(volume: VolumeRecord): Row {
  const labels = volume.Labels ?? {};
  return {
    Availability: "N/A",
    Driver: volume.Driver,
    Group: "N/A",
    Labels: Object.keys(labels).sort().map((key) => `${key}=${labels[key]}`).join(","),
    Links: "N/A",
    Mountpoint: volumeData(volume.Name),
    Name: volume.Name,
    Scope: volume.Scope,
    Size: "N/A",
    Status: "N/A",
    Label: (name) => labels[name] ?? "",
  };
}

/** `diplodock volume ls`. */
export async function command(words: string[]): Promise<number> {
  const { options } = parseArgs(spec, words);
  const broken = new BrokenRecords();
  const found = await daemon(() => {
    return volumesWanted(collectFilters(options.filter, VOLUME_FILTERS), broken.tell);
  });
  found.sort((a, b) => compareNatural(a.Name, b.Name));
  const configured = options.format === undefined ? readUserConfig().volumesFormat : undefined;
  await printList(found.map(volumeRow), LIST, {
    ...(options.format !== undefined && { format: options.format }),
    ...(configured !== undefined && { configured }),
    quiet: options.quiet,
  });
  return broken.exitCode;
}
