/**
 * Docker's API answered as dockerd answers it: status, media type, and every value. What dockerd
 * says is recorded in tests/golden/api; UPDATE=1, where docker is installed, asks it again.
 */
import { assert, assertEquals } from "@std/assert";
import { askAll, formatAnswers, parseAnswers, UNEXPLAINED } from "../lib/api_answers.ts";
import { FIELDS } from "../lib/api_reasons.ts";
import { ApiService } from "../lib/api_service.ts";
import { busyboxRoot, runProgram } from "../lib/oci_box.ts";
import { enterTestNetwork } from "../lib/network_namespace.ts";
import { startDocker } from "../lib/peer_engines.ts";
import { RawClient } from "../lib/raw_http.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const FOLDER = new URL("../golden/api/", import.meta.url);
const update = Deno.env.get("UPDATE") === "1";
const names = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).sort();

enterTestNetwork();
for (const name of names) {
  Deno.test({
    name: `docker's API: ${name.replace(".txt", "")}`,
    ...skipUnless(isRoot(), "needs root"),
    fn: () => check(name),
  });
}

/** What we answer; with an image `small` and nothing else. */
async function askUs(requests: readonly string[]): Promise<string[][]> {
  await using service = new ApiService();
  const { engine } = service;
  busyboxRoot(engine.path("rootfs"));
  const archive = engine.path("rootfs.tar");
  await runProgram(["tar", "-C", engine.path("rootfs"), "-cf", archive, "."]);
  await engine.ok("import", archive, "small");
  await service.start();
  using client = new RawClient(service.socket);
  return await askAll(client, requests, engine.top);
}

async function askDocker(requests: readonly string[]): Promise<string[][]> {
  await using docker = await startDocker("runc");
  using client = new RawClient(`${docker.place.top}/docker.sock`);
  return await askAll(client, requests, docker.place.top);
}

async function check(name: string): Promise<void> {
  const url = new URL(name, FOLDER);
  const text = Deno.readTextFileSync(url);
  const recorded = parseAnswers(text);
  const requests = recorded.map(({ request }) => request);
  const ours = await askUs(requests);
  if (!update) {
    // Not the whole texts: of thousands of lines those that differ are wanted.
    const now = formatAnswers(recorded, ours, FIELDS).split("\n"), before = text.split("\n");
    const lost = before.filter((line) => !now.includes(line));
    assertEquals(now.filter((line) => !before.includes(line)), lost);
    return assertEquals(now, before);
  }
  const theirs = await askDocker(requests);
  const exchanged = recorded.map((one, i) => ({ ...one, docker: theirs[i] }));
  Deno.writeTextFileSync(url, formatAnswers(exchanged, ours, FIELDS));
}

Deno.test("what differs from docker's API has a reason in docs/docker-differences.md", () => {
  const page = Deno.readTextFileSync(new URL("../../docs/docker-differences.md", import.meta.url));
  const texts = names.map((name) => Deno.readTextFileSync(new URL(name, FOLDER)));
  const reasons = texts.flatMap((text) => parseAnswers(text).flatMap(({ why }) => why ?? []));
  for (const why of new Set([...reasons, ...FIELDS.map((row) => row.why)])) {
    assert(why !== UNEXPLAINED && page.includes(`\n### ${why}\n`), why);
  }
  const differing = texts.join("\n").split(/^\$ /m).flatMap((part) => {
    const [request, ...lines] = part.split("\n");
    return lines.filter((line) => /^[-+] /.test(line)).map((line) => `${request}\n${line}`);
  });
  for (const { lines } of FIELDS) assert(differing.some((one) => lines.test(one)), `${lines}`);
});
