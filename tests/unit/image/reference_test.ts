import { assertEquals, assertThrows } from "@std/assert";
import {
  BadNameError,
  familiarName,
  fullName,
  parseReference,
  storedName,
  withDefaultTag,
} from "../../../src/image/reference.ts";

const HEX = "0123456789abcdef".repeat(4);

const GOOD: [text: string, full: string, familiar: string][] = [
  ["busybox", "docker.io/library/busybox", "busybox"],
  ["busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"],
  ["library/busybox", "docker.io/library/busybox", "busybox"],
  ["docker.io/busybox", "docker.io/library/busybox", "busybox"],
  ["index.docker.io/library/busybox", "docker.io/library/busybox", "busybox"],
  ["user/app", "docker.io/user/app", "user/app"],
  ["a/b/c", "docker.io/a/b/c", "a/b/c"],
  ["localhost/app", "localhost/app", "localhost/app"],
  ["localhost:5000/app:v1", "localhost:5000/app:v1", "localhost:5000/app:v1"],
  ["127.0.0.1:5000/a", "127.0.0.1:5000/a", "127.0.0.1:5000/a"],
  ["[::1]:5000/a:b", "[::1]:5000/a:b", "[::1]:5000/a:b"],
  ["quay.io/x/y", "quay.io/x/y", "quay.io/x/y"],
  ["HOST/app", "HOST/app", "HOST/app"],
  ["a__b/c-d_e.f", "docker.io/a__b/c-d_e.f", "a__b/c-d_e.f"],
  ["a---b", "docker.io/library/a---b", "a---b"],
  [
    `busybox@sha256:${HEX}`,
    `docker.io/library/busybox@sha256:${HEX}`,
    `busybox@sha256:${HEX}`,
  ],
  [
    `x/y:t@sha256:${HEX}`,
    `docker.io/x/y:t@sha256:${HEX}`,
    `x/y:t@sha256:${HEX}`,
  ],
];

for (const [text, full, familiar] of GOOD) {
  Deno.test(`parseReference() reads ${text}`, () => {
    const reference = parseReference(text);
    assertEquals(fullName(reference), full);
    assertEquals(familiarName(reference), familiar);
  });
}

const BAD: [text: string, message: string][] = [
  ["", "invalid reference format"],
  [":tag", "invalid reference format"],
  ["a//b", "invalid reference format"],
  ["a/", "invalid reference format"],
  ["-a", "invalid reference format"],
  ["a..b", "invalid reference format"],
  ["a___b", "invalid reference format"],
  ["a b", "invalid reference format"],
  ["../etc/passwd", "invalid reference format"],
  ["busybox:", "invalid reference format"],
  ["busybox:-x", "invalid reference format"],
  [`busybox:${"x".repeat(129)}`, "invalid reference format"],
  ["busybox@sha256:12", "invalid reference format"],
  [`busybox@sha256:${HEX.slice(2)}`, "invalid checksum digest length"],
  [`busybox@md5:${HEX}`, "unsupported digest algorithm"],
  ["AFP", "invalid reference format: repository name (library/AFP) must be lowercase"],
  ["x/AFP:1", "invalid reference format: repository name (x/AFP) must be lowercase"],
  [HEX, `invalid repository name (${HEX}), cannot specify 64-byte hexadecimal strings`],
  ["a/".repeat(130) + "b", "repository name must not be more than 255 characters"],
];

for (const [text, message] of BAD) {
  Deno.test(`parseReference() refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
    const error = assertThrows(() => parseReference(text), BadNameError);
    assertEquals(error.message, message);
  });
}

Deno.test("withDefaultTag() adds latest only where nothing is said", () => {
  assertEquals(withDefaultTag(parseReference("a")).tag, "latest");
  assertEquals(withDefaultTag(parseReference("a:b")).tag, "b");
  assertEquals(withDefaultTag(parseReference(`a@sha256:${HEX}`)).tag, undefined);
});

Deno.test("storedName() prefers the digest to the tag", () => {
  assertEquals(storedName(parseReference("a")), "docker.io/library/a:latest");
  assertEquals(
    storedName(parseReference(`a:b@sha256:${HEX}`)),
    `docker.io/library/a@sha256:${HEX}`,
  );
});
