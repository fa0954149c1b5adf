import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../src/base/errors.ts";
import { cacheDocument, layersOf, parseSteps } from "../../../src/build/cache_document.ts";
import type { Digest } from "../../../src/image/digest.ts";
import { OCI_LAYER_GZIP } from "../../../src/image/types.ts";

const digest = (letter: string): Digest => `sha256:${letter.repeat(64)}` as Digest;
const layer = (letter: string) => ({
  descriptor: { mediaType: OCI_LAYER_GZIP, digest: digest(letter), size: 7 },
  diffId: digest(letter === "a" ? "b" : "c"),
});
const created = "2026-01-02T03:04:05Z";
const steps = [
  { key: digest("1"), created, text: "ENV a=b" },
  { key: digest("2"), created, text: "RUN x", layer: layer("a"), chainId: digest("f") },
  { key: digest("3"), created, text: "COPY y z", layer: layer("d") },
  { key: digest("4"), created, text: "COPY y z", layer: layer("d") },
];

Deno.test("steps come back as they went, their layers by place", () => {
  const layers = layersOf(steps);
  assertEquals(layers.length, 2);
  const document = JSON.parse(JSON.stringify(cacheDocument(steps, layers)));
  const descriptors = layers.map(({ descriptor }) => descriptor);
  const found = parseSteps(document, descriptors, layers.map(({ diffId }) => diffId), "it");
  assertEquals([...found.values()], steps.map(({ chainId: _, ...step }) => step));
});

Deno.test("steps of layers that a manifest does not list are left out", () => {
  const { steps: kept } = cacheDocument(steps, [layer("d")]);
  assertEquals(kept.map(({ text, layer }) => [text, layer]), [
    ["ENV a=b", undefined],
    ["COPY y z", 0],
    ["COPY y z", 0],
  ]);
});

const good = { key: digest("1"), created, text: "RUN x" };
for (
  const [name, document] of Object.entries({
    "a list of none": { steps: "x" },
    "no list": [],
    "a key that is no digest": { steps: [{ ...good, key: "../../x" }] },
    "no key": { steps: [{ created, text: "RUN x" }] },
    "no time": { steps: [{ key: digest("1"), text: "RUN x" }] },
    "a time that is none": { steps: [{ ...good, created: "yesterday" }] },
    "no text": { steps: [{ key: digest("1"), created }] },
    "a layer that is not there": { steps: [{ ...good, layer: 1 }] },
    "a layer before the first": { steps: [{ ...good, layer: -1 }] },
    "half a layer": { steps: [{ ...good, layer: 0.5 }] },
    "a layer by name": { steps: [{ ...good, layer: "length" }] },
    "steps without end": { steps: Array(10_001).fill(good) },
  })
) {
  Deno.test(`refused: ${name}`, () => {
    const { descriptor, diffId } = layer("a");
    assertThrows(() => parseSteps(document, [descriptor], [diffId], "it"), UserError, "it");
  });
}

Deno.test("a layer without a diff id, or of another type, is none", () => {
  const { descriptor, diffId } = layer("a");
  const document = { steps: [{ ...good, layer: 0 }] };
  assertThrows(() => parseSteps(document, [descriptor], [], "it"), UserError);
  assertThrows(() => parseSteps(document, [descriptor], ["x"], "it"), UserError);
  const other = { ...descriptor, mediaType: "text/plain" };
  assertThrows(() => parseSteps(document, [other], [diffId], "it"), UserError);
});
