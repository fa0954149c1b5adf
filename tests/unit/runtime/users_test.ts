import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import {
  additionalGids,
  MAX_USER_FILE_BYTES,
  type ResolvedUser,
  resolveGroups,
  resolveUser,
} from "../../../src/runtime/users.ts";

const PASSWD = `root:x:0:0:root:/root:/bin/sh
  www:x:33:33::/var/www:/bin/false

1000:x:7:7:a name that is a number:/seven:
sam:x:1000:100:Sam:/home/sam:/bin/sh
sam:x:1001:101:second of the name:/home/other:/bin/sh
nohome:x:5:5
+::::::
broken:x:zero:0::/:
huge:x:4294967296:0::/:
negative:x:-1:0::/:
short
`;
const GROUP = `root:x:0:
www:x:33:
users:x:100:
disk:x:6:sam,root
wheel:x:10:root, sam
samson:x:11:samson
audio:x:29:other,sam
audio:x:30:
bad:x:many:sam
44:x:45:
`;

const root: ResolvedUser = { uid: 0, gid: 0, groups: [6, 10], home: "/root", name: "root" };
const sam: ResolvedUser = { uid: 1000, gid: 100, groups: [6, 29], home: "/home/sam", name: "sam" };
const GOOD: [spec: string, want: ResolvedUser][] = [
  ["", root],
  ["0", root],
  ["root", root],
  ["sam", sam],
  ["1000", sam],
  ["sam:", sam],
  ["sam:audio", { ...sam, gid: 29, groups: [] }],
  ["sam:44", { ...sam, gid: 44, groups: [] }],
  ["1001:5", { uid: 1001, gid: 5, groups: [], home: "/home/other", name: "sam" }],
  [":disk", { ...root, gid: 6, groups: [] }],
  ["4242", { uid: 4242, gid: 0, groups: [], home: "/" }],
  ["4242:4243", { uid: 4242, gid: 4243, groups: [], home: "/" }],
  ["www", { uid: 33, gid: 33, groups: [], home: "/var/www", name: "www" }],
  ["nohome", { uid: 5, gid: 5, groups: [], home: "/", name: "nohome" }],
  ["2147483647", { uid: 2147483647, gid: 0, groups: [], home: "/" }],
];
for (const [spec, want] of GOOD) {
  Deno.test(`resolveUser() resolves "${spec}"`, () => {
    assertEquals(resolveUser(spec, PASSWD, GROUP), want);
  });
}

Deno.test("resolveUser() needs no files for root and for numbers", () => {
  assertEquals(resolveUser("", "", ""), { uid: 0, gid: 0, groups: [], home: "/" });
  assertEquals(resolveUser("7:8", "", ""), { uid: 7, gid: 8, groups: [], home: "/" });
});

const RANGE = "uids and gids must be in range 0-2147483647";
const BAD: [spec: string, message: string][] = [
  ["ghost", "unable to find user ghost: no matching entries in passwd file"],
  ["sam:ghosts", "unable to find group ghosts: no matching entries in group file"],
  ["-1", RANGE],
  ["2147483648", RANGE],
  ["99999999999999999999", RANGE],
  ["sam:4294967295", RANGE],
  ["broken", "unable to find user broken: no matching entries in passwd file"],
  ["huge", "unable to find user huge: no matching entries in passwd file"],
  ["negative", "unable to find user negative: no matching entries in passwd file"],
  ["short", "unable to find user short: no matching entries in passwd file"],
  ["+", "unable to find user +: no matching entries in passwd file"],
];
for (const [spec, message] of BAD) {
  Deno.test(`resolveUser() refuses "${spec}"`, () => {
    assertEquals(assertThrows(() => resolveUser(spec, PASSWD, GROUP), UserError).message, message);
  });
}

Deno.test("resolveUser() refuses a file too large to be one", () => {
  const large = "a:x:1:1::/:\n".repeat(MAX_USER_FILE_BYTES / 12 + 1);
  assertThrows(() => resolveUser("b", large, ""), UserError, "larger than");
});

Deno.test("resolveGroups() resolves names and numbers once each", () => {
  assertEquals(resolveGroups(["disk", "6", "audio", "12345", "44"], GROUP), [6, 29, 12345, 44]);
  const message = "Unable to find group ghosts: no matching entries in group file";
  assertThrows(() => resolveGroups(["ghosts"], GROUP), UserError, message);
  assertThrows(() => resolveGroups(["-5"], GROUP), UserError, RANGE);
});

Deno.test("additionalGids() has the primary group first and nothing twice", () => {
  assertEquals(additionalGids(sam, [29, 7]), [100, 6, 29, 7]);
});
