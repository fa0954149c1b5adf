import { assertEquals } from "@std/assert";
import { emptyNetwork } from "../../../src/net/networks.ts";
import { parseNetwork } from "../../../src/net/network_shape.ts";

const sound = {
  ...emptyNetwork("app", "ab".repeat(32)),
  IPAM: {
    Driver: "default",
    Options: null,
    Config: [{ Subnet: "10.1.0.0/24", Gateway: "10.1.0.1" }],
  },
};

Deno.test("parseNetwork() takes what the engine writes", () => {
  assertEquals(parseNetwork(JSON.stringify(sound, null, 2), "app"), sound);
});

const DAMAGED: [what: string, text: string][] = [
  ["nothing", ""],
  ["zeros", "\0".repeat(100)],
  ["half of a record", JSON.stringify(sound).slice(0, 200)],
  ["a number", "7"],
  ["null", "null"],
  ["a list", "[]"],
  ["an object of something else", `{"hello":"world"}`],
  ["another network's record", JSON.stringify({ ...sound, Name: "other" })],
  ["an id that leads elsewhere", JSON.stringify({ ...sound, Id: "../../etc" })],
  ["no time", JSON.stringify({ ...sound, Created: "yesterday" })],
  ["no addresses", JSON.stringify({ ...sound, IPAM: {} })],
  ["addresses without a subnet", JSON.stringify({ ...sound, IPAM: { Config: [{}] } })],
  ["options that are numbers", JSON.stringify({ ...sound, Options: { a: 1 } })],
  ["labels that are a text", JSON.stringify({ ...sound, Labels: "x" })],
  ["another driver", JSON.stringify({ ...sound, Driver: "null" })],
];

for (const [what, text] of DAMAGED) {
  Deno.test(`parseNetwork() of ${what} is undefined`, () => {
    assertEquals(parseNetwork(text, "app"), undefined);
  });
}
