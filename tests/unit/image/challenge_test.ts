import { assertEquals } from "@std/assert";
import { type Challenge, parseChallenges } from "../../../src/image/challenge.ts";

const CASES: [header: string, want: Challenge[]][] = [
  [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
    [{
      scheme: "bearer",
      parameters: {
        realm: "https://auth.docker.io/token",
        service: "registry.docker.io",
        scope: "repository:a/b:pull,push",
      },
    }],
  ],
  ['Basic realm="x y"', [{ scheme: "basic", parameters: { realm: "x y" } }]],
  ["Negotiate, Basic realm=a", [
    { scheme: "negotiate", parameters: {} },
    { scheme: "basic", parameters: { realm: "a" } },
  ]],
  ['Bearer realm="a\\"b"', [{ scheme: "bearer", parameters: { realm: 'a"b' } }]],
  ["", []],
  ['="x"', []],
];

for (const [header, want] of CASES) {
  Deno.test(`parseChallenges() reads ${JSON.stringify(header.slice(0, 40))}`, () => {
    assertEquals(parseChallenges(header), want);
  });
}
