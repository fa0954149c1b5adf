/** An engine whose API is served on a socket, and docker's own clients that talk to it. */
import { Engine, type Result, waitFor } from "./engine.ts";
import { runProgram } from "./oci_box.ts";

const LIMIT_MS = 180_000;

/** A service and its engine, from `start()` on. */
export class ApiService implements AsyncDisposable {
  readonly engine = new Engine();
  #service: Deno.ChildProcess | undefined;

  get socket(): string {
    return this.engine.path("docker.sock");
  }

  /** The environment of a client. */
  get env(): Record<string, string> {
    return {
      DOCKER_HOST: `unix://${this.socket}`,
      DOCKER_CONFIG: this.engine.path("client"),
      PYTHONDONTWRITEBYTECODE: "1",
    };
  }

  get pid(): number {
    return this.#service!.pid;
  }

  /** Starts the service unless it runs. */
  async start(): Promise<void> {
    if (this.#service !== undefined) return;
    const args = ["system", "service", `unix://${this.socket}`];
    this.#service = this.engine.spawn(args, { stdout: "null", stderr: "null" });
    await waitFor(() => Deno.readTextFileSync(`/proc/${this.pid}/comm`) === "diplodock-api\n");
  }

  /** Runs docker's client to its end; one that hangs is killed, exit code 137. */
  async docker(args: readonly string[], input?: string): Promise<Result> {
    return await this.client(["docker", ...args], input);
  }

  /** The same of any client. */
  async client(argv: readonly string[], input?: string): Promise<Result> {
    await this.start();
    return await runProgram(["timeout", "-s", "KILL", String(LIMIT_MS / 1000), ...argv], {
      env: this.env,
      ...(input !== undefined && { input }),
    });
  }

  /** docker's client, which must succeed; its stdout without the last line break. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.docker(args);
    if (code !== 0) throw new Error(`docker ${args.join(" ")}: exit code ${code}\n${stderr}`);
    return stdout.replace(/\n$/, "");
  }

  /** Ends the service by SIGTERM; its exit code. */
  async stop(): Promise<number> {
    const service = this.#service!;
    this.#service = undefined;
    service.kill("SIGTERM");
    return (await service.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#service !== undefined) await this.stop();
    await this.engine[Symbol.asyncDispose]();
  }
}
