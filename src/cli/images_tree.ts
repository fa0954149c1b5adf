/** `images --tree`: each image with all its names, and below it the platform it was made for. */
import { formatSize } from "../base/units.ts";
import { readDocument } from "../image/blobs.ts";
import { parseManifest } from "../image/documents.ts";
import { type ListedImage, sizeOf } from "../image/list.ts";
import { formatPlatform } from "../image/platform.ts";
import { familiarName, parseReference } from "../image/reference.ts";
import type { Store } from "../image/store.ts";
import { shortId } from "./output.ts";

/** A line; those with a lone name stand above the line with the rest. */
export interface TreeLine {
  name: string;
  id: string;
  diskUsage: string;
  contentSize: string;
  extra: string;
}

const COLUMNS: readonly [
  title: string,
  width: number,
  of: (line: TreeLine) => string,
  right?: true,
][] = [
  ["ID", 12, (line) => line.id],
  ["DISK USAGE", 10, (line) => line.diskUsage, true],
  ["CONTENT SIZE", 12, (line) => line.contentSize, true],
  ["EXTRA", 5, (line) => line.extra],
];
const GAP = "   ";
const NARROWEST_NAME = 12;

/** An image, and how it is stored. */
export interface TreeImage {
  names: readonly string[];
  top: Omit<TreeLine, "name">;
  children: readonly TreeLine[];
}

/** What the tree says of an image. Disk usage: unpacked files and blobs; content: blobs alone. */
export function treeImage(store: Store, image: ListedImage, isUsed: boolean): TreeImage {
  const { record } = image;
  const bytes = readDocument(store, record.manifest.digest);
  const manifest = parseManifest(bytes, record.manifest.digest);
  const blobs = [manifest.config, ...manifest.layers].reduce((sum, { size }) => sum + size, 0);
  const content = blobs + bytes.length;
  const details = {
    diskUsage: formatSize(sizeOf(record) + content),
    contentSize: formatSize(content),
    extra: isUsed ? "U" : "",
  };
  const platform = formatPlatform(record.config);
  return {
    names: image.tags.map((name) => familiarName(parseReference(name))).sort(),
    top: { id: shortId(record.id, false), ...details },
    children: [{ name: platform, id: shortId(record.manifest.digest, false), ...details }],
  };
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

/** The lines of the tree for a terminal of `width` columns; what does not fit is left out. */
export function treeLines(images: readonly TreeImage[], width: number): string[] {
  let room = Math.max(width, 20);
  const columns: (typeof COLUMNS)[number][] = [];
  for (const column of COLUMNS) {
    if (room - column[1] - GAP.length < NARROWEST_NAME) break;
    room -= column[1] + GAP.length;
    columns.push(column);
  }
  const widest = images.flatMap(({ names, children }) => [
    ...(names.length > 0 ? names.slice(-1) : ["<untagged>"]),
    ...children.map(({ name }) => `├─ ${name}`),
  ]).reduce((most, name) => Math.max(most, name.length), "IMAGE".length);
  const nameWidth = Math.min(room, widest);
  const row = (name: string, cells: readonly string[]) =>
    [
      cut(name, nameWidth).padEnd(nameWidth),
      ...columns.map(([, size, , right], i) =>
        right ? cells[i].padStart(size) : cells[i].padEnd(size)
      ),
    ].join(GAP).trimEnd();
  const lines = [row("IMAGE", columns.map(([title]) => title))];
  for (const { names, top, children } of images) {
    lines.push(...names.slice(0, -1).map((name) => cut(name, width)));
    const line = { name: names.at(-1) ?? "<untagged>", ...top };
    lines.push(row(line.name, columns.map(([, , of]) => of(line))));
    children.forEach((child, i) => {
      const branch = i === children.length - 1 ? "└─" : "├─";
      lines.push(row(`${branch} ${child.name}`, columns.map(([, , of]) => of(child))));
    });
    lines.push("");
  }
  return lines;
}
