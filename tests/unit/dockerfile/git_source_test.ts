import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { parseGit, withoutPassword } from "../../../src/build/git_source.ts";

for (
  const [text, remote, ref, subdirectory] of [
    ["https://host/a.git", "https://host/a.git", undefined, ""],
    ["https://host/a.git#v1", "https://host/a.git", "v1", ""],
    ["http://u:p@host:80/a/b.git#x/y-z:sub/dir/", "http://u:p@host:80/a/b.git", "x/y-z", "sub/dir"],
    ["git://host/a#:/sub", "git://host/a", undefined, "sub"],
    ["ssh://git@host/a#refs/pull/1/head", "ssh://git@host/a", "refs/pull/1/head", ""],
    ["git@host:a/b#main", "git@host:a/b", "main", ""],
    ["github.com/a/b#v2", "https://github.com/a/b", "v2", ""],
  ] as const
) {
  Deno.test(`a repository: ${text}`, () => {
    assertEquals(parseGit(text), { remote, ...(ref && { ref }), subdirectory });
  });
}

for (
  const text of ["https://host/a", "https://host/a.git/b", "http://h/x?y=a.git", "a.git", "./x"]
) {
  Deno.test(`no repository: ${text}`, () => assertEquals(parseGit(text), undefined));
}

for (const ref of ["-x", "--upload-pack=x", "a b", "a;b", "$(x)", "a\nb"]) {
  Deno.test(`no reference: ${JSON.stringify(ref)}`, () => {
    assertThrows(() => parseGit(`https://host/a.git#${ref}`), UserError, "invalid git reference");
  });
}

Deno.test("passwords are not shown", () => {
  assertEquals(withoutPassword("https://u:secret@host/a.git"), "https://u:xxxxx@host/a.git");
  assertEquals(withoutPassword("https://:secret@host/a.git"), "https://:xxxxx@host/a.git");
  assertEquals(withoutPassword("git@host:a"), "git@host:a");
});
