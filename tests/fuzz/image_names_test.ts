/** Names, documents, challenges and change lists from outside: read or refused, nothing else. */
import { assert, assertEquals } from "@std/assert";
import { UserError } from "../../src/base/errors.ts";
import { parseChallenges } from "../../src/image/challenge.ts";
import { applyChanges } from "../../src/image/changes.ts";
import { parseConfig, parseIndex, parseManifest } from "../../src/image/documents.ts";
import { parsePlatform } from "../../src/base/platform.ts";
import { formatPlatform, selectPlatform } from "../../src/image/platform.ts";
import {
  BadNameError,
  familiarName,
  fullName,
  parseReference,
  storedName,
} from "../../src/image/reference.ts";
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST } from "../../src/image/types.ts";
import { fuzzTest, type Json, mutateBytes, mutateJson, mutateText } from "../lib/fuzz.ts";
import { below, pick, type Random } from "../lib/random.ts";

/** Runs `read`; undefined if it refused with an error of the wanted kind. */
function readOrRefuse<T>(read: () => T, ...kinds: (new (...args: never[]) => Error)[]) {
  try {
    return read();
  } catch (error) {
    if (!kinds.some((kind) => error instanceof kind)) throw error;
    assert((error as Error).message !== "", "an error without a word");
  }
}

const HEX = "0123456789abcdef".repeat(4);
const NAMES = [
  "busybox",
  "busybox:latest",
  "localhost/a:1",
  "localhost:5000/some/where/else:v1.2-3_4",
  "[::1]:5000/x",
  `registry.example.com/a__b/c--d.e@sha256:${HEX}`,
  `127.0.0.1:80/a:tag@sha256:${HEX}`,
  "docker.io/library/busybox",
  "index.docker.io/busybox",
];

fuzzTest({
  name: "parseReference() reads back the full and the familiar form of what it read",
  rounds: 20_000,
  make: (random) => mutateText(random, pick(random, NAMES)),
  check: (text) => {
    const reference = readOrRefuse(() => parseReference(text), BadNameError);
    if (reference === undefined) return;
    for (const form of [fullName(reference), familiarName(reference)]) {
      assertEquals(parseReference(form), reference, form);
    }
    assert(!/[\s\0]|\/\.{0,2}(?:\/|$)/.test(storedName(reference)), "a name that is no name");
  },
});

const DESCRIPTOR = {
  mediaType: OCI_LAYER_GZIP,
  digest: `sha256:${HEX}`,
  size: 1234,
  annotations: { a: "b" },
};
const MANIFEST: Json = {
  schemaVersion: 2,
  mediaType: OCI_MANIFEST,
  config: { ...DESCRIPTOR, mediaType: OCI_CONFIG },
  layers: [DESCRIPTOR, { ...DESCRIPTOR, size: 0 }],
};
const INDEX: Json = {
  schemaVersion: 2,
  manifests: [
    { ...DESCRIPTOR, mediaType: OCI_MANIFEST, platform: { os: "linux", architecture: "amd64" } },
    {
      ...DESCRIPTOR,
      mediaType: OCI_MANIFEST,
      platform: { os: "linux", architecture: "arm", variant: "v7" },
    },
  ],
};
const CONFIG: Json = {
  created: "2024-01-02T03:04:05Z",
  architecture: "amd64",
  os: "linux",
  config: {
    Env: ["PATH=/bin"],
    Cmd: ["sh"],
    Entrypoint: null,
    WorkingDir: "/",
    User: "1:1",
    ExposedPorts: { "80/tcp": {} },
    Volumes: { "/data": {} },
    Labels: { k: "v" },
    Healthcheck: { Test: ["CMD", "true"], Interval: 1e9 },
    Shell: ["/bin/sh", "-c"],
    StopSignal: "TERM",
  },
  rootfs: { type: "layers", diff_ids: [`sha256:${HEX}`, `sha256:${HEX}`] },
  history: [{ created_by: "x" }, { created_by: "y", empty_layer: true }],
};

/** A document as bytes: changed as JSON, and now and then as bytes too. */
function documentFrom(base: Json) {
  return (random: Random) => {
    const bytes = new TextEncoder().encode(JSON.stringify(mutateJson(random, base)));
    return random() < 0.2 ? mutateBytes(random, bytes) : bytes;
  };
}

fuzzTest({
  name: "parseManifest() gives checked parts or refuses",
  rounds: 10_000,
  make: documentFrom(MANIFEST),
  check: (bytes) => {
    const manifest = readOrRefuse(() => parseManifest(bytes, "m"), UserError);
    for (const part of manifest === undefined ? [] : [manifest.config, ...manifest.layers]) {
      assert(/^sha256:[0-9a-f]{64}$/.test(part.digest), part.digest);
      assert(Number.isSafeInteger(part.size) && part.size >= 0, String(part.size));
      assertEquals(typeof part.mediaType, "string");
    }
  },
});

fuzzTest({
  name: "parseIndex() and selectPlatform() choose or refuse",
  rounds: 10_000,
  make: documentFrom(INDEX),
  check: (bytes) => {
    const index = readOrRefuse(() => parseIndex(bytes, "i"), UserError);
    if (index === undefined) return;
    const chosen = selectPlatform(index.manifests, { os: "linux", architecture: "amd64" });
    assert(chosen === undefined || index.manifests.includes(chosen), "chosen from elsewhere");
  },
});

const isText = (value: unknown) => value === undefined || typeof value === "string";

fuzzTest({
  name: "parseConfig() gives what its type says or refuses",
  rounds: 20_000,
  make: documentFrom(CONFIG),
  check: (bytes) => {
    const config = readOrRefuse(() => parseConfig(bytes, 2, "c"), UserError);
    if (config === undefined) return;
    for (const { created_by, created } of config.history ?? []) {
      assert(isText(created_by ?? undefined) && isText(created ?? undefined));
    }
    assert(isText(config.created) && isText(config.os) && isText(config.variant));
    const { Env = [], Cmd = [], Entrypoint = [], Labels = {}, User, WorkingDir } = config.config ??
      {};
    for (const words of [Env, Cmd, Entrypoint, Object.values(Labels)]) assert(words.every(isText));
    assert(isText(User) && isText(WorkingDir));
  },
});

fuzzTest({
  name: "parsePlatform() reads back what it read",
  rounds: 5_000,
  make: (random) =>
    mutateText(random, pick(random, ["linux/arm64/v8", "linux", "arm/v7", "x86_64"])),
  check: (text) => {
    const platform = readOrRefuse(() => parsePlatform(text), SyntaxError);
    if (platform !== undefined) assertEquals(parsePlatform(formatPlatform(platform)), platform);
  },
});

fuzzTest({
  name: "parseChallenges() never throws and keeps schemes in lower case",
  rounds: 10_000,
  make: (random) =>
    mutateText(random, 'Bearer realm="https://a/token",service="s",scope="a:b:c", Basic realm=x'),
  check: (header) => {
    for (const { scheme } of parseChallenges(header)) assertEquals(scheme, scheme.toLowerCase());
  },
});

const CHANGES = [
  'CMD ["a", "b"]',
  "ENTRYPOINT top -b",
  'ENV A="b c" D=e',
  "EXPOSE 80-90/udp 22",
  "HEALTHCHECK --interval=5s --retries=3 CMD curl -f http://localhost",
  'LABEL a.b="c \\" d"',
  "USER 1:2",
  'VOLUME ["/data"]',
  "WORKDIR ../a",
  "STOPSIGNAL SIGTERM",
  "ONBUILD RUN x",
  'SHELL ["/bin/bash", "-c"]',
];

fuzzTest({
  name: "applyChanges() makes a config that parseConfig() takes, or refuses",
  rounds: 10_000,
  make: (random) =>
    Array.from({ length: 1 + below(random, 3) }, () => mutateText(random, pick(random, CHANGES))),
  check: (lines) => {
    const config = readOrRefuse(() => applyChanges({}, lines), UserError);
    if (config === undefined) return;
    const bytes = new TextEncoder().encode(JSON.stringify({ config, rootfs: { diff_ids: [] } }));
    assertEquals(parseConfig(bytes, 0, "made").config, JSON.parse(JSON.stringify(config)));
  },
});
