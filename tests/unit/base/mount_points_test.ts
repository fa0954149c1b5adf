import { assertEquals } from "@std/assert";
import { mountPoints, mountUnder, parseMounts } from "../../../src/base/mount_points.ts";

const line = (id: number, at: string) => `${id} 1 0:1 / ${at} rw - ext4 /dev/x rw\n`;
const TABLE = line(1, "/") + line(2, "/a") + line(3, "/a/b\\040c") + line(4, "/ab");

Deno.test("mountPoints() reads the blanks of paths", () => {
  assertEquals(mountPoints(TABLE), ["/", "/a", "/a/b c", "/ab"]);
});

Deno.test("mountUnder() finds the deepest mount that holds a path", () => {
  const table = parseMounts(TABLE);
  const under = (path: string) => mountUnder(path, table)?.target;
  assertEquals(under("/a/b c/d"), "/a/b c");
  assertEquals(under("/a"), "/a");
  assertEquals(under("/abc"), "/");
});

Deno.test("mountUnder() takes the last of those at one place", () => {
  const table = parseMounts(TABLE + "5 1 0:9 / /a rw - tmpfs t rw\n");
  assertEquals(mountUnder("/a/x", table)?.type, "tmpfs");
});

Deno.test("parseMounts() reads a line with and without optional fields", () => {
  const shared = "36 35 98:0 /mnt1 /mnt2 rw,noatime shared:1 master:2 - ext3 /dev/root rw,errors=x";
  const plain = shared.replace("shared:1 master:2 ", "");
  const want = {
    device: "98:0",
    root: "/mnt1",
    target: "/mnt2",
    attributes: ["rw", "noatime"],
    optional: ["shared:1", "master:2"],
    type: "ext3",
    source: "/dev/root",
    options: ["rw", "errors=x"],
  };
  assertEquals(parseMounts(`${shared}\n${plain}\n`), [want, { ...want, optional: [] }]);
});
