import { assertEquals } from "@std/assert";
import { type TreeImage, treeLines } from "../../../src/cli/images_tree.ts";

const DETAILS = { diskUsage: "12.2MB", contentSize: "3.65MB", extra: "" };
const CHILD = { name: "linux/amd64", id: "beefdbd8a1da", ...DETAILS };
const IMAGES: TreeImage[] = [
  {
    names: ["alpine:3", "alpine:latest"],
    top: { id: "0a4eaa0eecf5", ...DETAILS, extra: "U" },
    children: [CHILD],
  },
  { names: [], top: { id: "111111111111", ...DETAILS }, children: [CHILD] },
];

Deno.test("treeLines() aligns the columns, further names stand above", () => {
  assertEquals(treeLines(IMAGES, 80), [
    "IMAGE            ID             DISK USAGE   CONTENT SIZE   EXTRA",
    "alpine:3",
    "alpine:latest    0a4eaa0eecf5       12.2MB         3.65MB   U",
    "└─ linux/amd64   beefdbd8a1da       12.2MB         3.65MB",
    "",
    "<untagged>       111111111111       12.2MB         3.65MB",
    "└─ linux/amd64   beefdbd8a1da       12.2MB         3.65MB",
    "",
  ]);
});

Deno.test("treeLines() leaves out columns for which a terminal is too narrow, and cuts names", () => {
  assertEquals(
    treeLines(IMAGES.slice(0, 1), 28).slice(0, 4),
    [
      "IMAGE           ID",
      "alpine:3",
      "alpine:latest   0a4eaa0eecf5",
      "└─ linux/amd…   beefdbd8a1da",
    ].map((line) => line),
  );
  assertEquals(treeLines(IMAGES.slice(0, 1), 20).slice(0, 3), [
    "IMAGE",
    "alpine:3",
    "alpine:latest",
  ]);
});
