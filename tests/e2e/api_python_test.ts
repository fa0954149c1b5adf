/** docker's library for Python, talking to the service by docker's API. */
import { assertEquals } from "@std/assert";
import { ApiService } from "../lib/api_service.ts";
import { isRoot, skipUnless } from "../lib/skip.ts";

const service = new ApiService();
Deno.test.afterAll(() => service[Symbol.asyncDispose]());

function hasLibrary(): boolean {
  try {
    const args = ["-c", "import docker"];
    return new Deno.Command("python3", { args, stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

Deno.test({
  name: "docker's library for Python runs, execs, attaches, copies and measures",
  ...skipUnless(isRoot() && hasLibrary(), "needs root and python3-docker"),
  async fn() {
    const result = await service.client(["python3", "tests/lib/api_client.py"]);
    assertEquals(result, { code: 0, stdout: "all right\n", stderr: "" });
  },
});
