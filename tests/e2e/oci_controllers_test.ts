/** Limits that only a bundle has: in the kernel's files, or said to be missing. */
import { assertStringIncludes } from "@std/assert";
import { hasController } from "../lib/cgroup_box.ts";
import { ociControl, ociTest as test, read } from "../lib/oci_box.ts";

test("a bundle's limits without a flag are set, or said to be missing", async (box) => {
  const id = box.id();
  const bundle = box.command(["sleep", "1000"], (spec) => {
    Object.assign(spec.linux!.resources!, {
      hugepageLimits: [{ pageSize: "2MB", limit: 4 << 20 }],
      network: { classID: 0x10_0001, priorities: [{ name: "lo", priority: 3 }] },
    });
  });
  const output = read(await box.detached(["run", "-d", "--bundle", bundle, id]));
  const rows: [controller: string, file: [v1: string, v2: string], text: string][] = [
    ["hugetlb", ["hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max"], String(4 << 20)],
    ["net_cls", ["net_cls.classid", ""], String(0x10_0001)],
    ["net_prio", ["net_prio.ifpriomap", ""], "lo 3"],
  ];
  for (const [controller, files, text] of rows) {
    if (hasController(controller)) {
      assertStringIncludes(`${await ociControl(box, id, controller, files)}\n`, `${text}\n`);
    } else {
      assertStringIncludes(output, `Your kernel does not support ${controller}`);
    }
  }
  await box.ok("delete", "--force", id);
}, ["diplodock"]);
