import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { parseCaches } from "../../../src/cli/build_caches.ts";

const reference = (domain: string, path: string, tag: string) => ({ domain, path, tag });

Deno.test("references alone are caches in registries", () => {
  assertEquals(parseCaches(["app:cache,reg:5000/b"], ["reg:5000/c"]), {
    cache: {
      from: [
        { type: "registry", reference: reference("docker.io", "library/app", "cache") },
        { type: "registry", reference: reference("reg:5000", "b", "latest") },
      ],
      to: [{
        place: { type: "registry", reference: reference("reg:5000", "c", "latest") },
        mode: "min",
        isOptional: false,
      }],
      isInline: false,
    },
    warnings: [],
  });
});

Deno.test("directories, modes and caches in the image", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  const from = ["type=local,src=in", `type=local,src=in,digest=${digest}`];
  const to = ["type=local,dest=out,tag=t,mode=max,ignore-error=true", "type=inline"];
  assertEquals(parseCaches(from, to).cache, {
    from: [
      { type: "local", place: { path: "in", tag: "latest" } },
      { type: "local", place: { path: "in", digest } },
    ],
    to: [{ place: { type: "local", path: "out", tag: "t" }, mode: "max", isOptional: true }],
    isInline: true,
  });
});

Deno.test("what changes nothing is told of", () => {
  const { cache, warnings } = parseCaches(
    ["type=gha,scope=x"],
    ["type=s3,bucket=b", "type=registry,ref=a,compression=zstd,oci-mediatypes=true"],
  );
  assertEquals(cache.from, []);
  assertEquals(cache.to.length, 1);
  assertEquals(warnings, [
    "--cache-to type=s3 is ignored: want type=registry or type=local or type=inline",
    "--cache-to compression=zstd is ignored: it is gzip",
    "--cache-from type=gha is ignored: want type=registry or type=local",
  ]);
});

for (
  const [from, to, message] of [
    ["src=x", "", 'type required form> "src=x"'],
    ["type=local,x", "", "invalid value x"],
    ["type=inline", "", '--cache-from: unknown cache type "inline": want registry, local'],
    ["type=local", "", "cache of type=local needs src="],
    ["type=registry,ref=A", "", /^invalid cache reference "A": /],
    ["", "type=registry,ref=a,mode=all", '--cache-to: unknown mode "all": want min or max'],
    [
      "",
      "type=local,dest=d,src=d",
      /^--cache-to type=local has no key "src": want dest, tag, mode/,
    ],
  ] as const
) {
  Deno.test(`refused: ${from || to}`, () => {
    const parse = () => parseCaches(from === "" ? [] : [from], to === "" ? [] : [to]);
    const error = assertThrows(parse, UserError);
    if (typeof message === "string") assertEquals(error.message, message);
    else assertEquals(message.test(error.message), true, error.message);
  });
}
