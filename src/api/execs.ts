/** Further processes in containers: made, started, looked at. */
import { UserError } from "../base/errors.ts";
import {
  claimExec,
  createExec,
  type ExecRecord,
  findExec,
  isRunning,
  noteExecStart,
} from "../engine/exec_records.ts";
import { list, number, type Shape, text, truth } from "../image/shape.ts";
import { clientStream, sizeOf, streamType } from "./container_attach.ts";
import { containerId } from "./containers.ts";
import { pick } from "./create_body.ts";
import type { Exchange } from "./exchange.ts";
import { STDOUT_STREAM } from "./frames.ts";
import { ApiError } from "./http_head.ts";

/** The body of POST /containers/{id}/exec. */
interface CreateBody {
  User: string;
  Privileged: boolean;
  Tty: boolean;
  ConsoleSize: number[];
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  DetachKeys: string;
  Env: string[];
  WorkingDir: string;
  Cmd: string[];
}

const CREATE: Record<keyof CreateBody, Shape> = {
  User: text,
  Privileged: truth,
  Tty: truth,
  ConsoleSize: list(number),
  AttachStdin: truth,
  AttachStdout: truth,
  AttachStderr: truth,
  DetachKeys: text,
  Env: list(text),
  WorkingDir: text,
  Cmd: list(text),
};

const START = { Detach: truth, Tty: truth, ConsoleSize: list(number) };

/** "ConsoleSize" of a body: rows, columns. */
function sizeIn(size: number[] | undefined): { height: number; width: number } | undefined {
  if (size === undefined || size.length !== 2) return undefined;
  const [height, width] = size;
  const isSize = [height, width].every((value) => Number.isInteger(value) && value < 65536);
  return isSize && height > 0 && width > 0 ? { height, width } : undefined;
}

/** POST /containers/{id}/exec. */
export async function create(exchange: Exchange): Promise<void> {
  const asked = pick<CreateBody>(await exchange.body.json(), CREATE, "ExecConfig");
  const { Cmd: args = [], DetachKeys: detachKeys = "" } = asked;
  if (args.length === 0) throw new ApiError(400, "No exec command specified");
  const { id } = createExec(
    containerId(exchange),
    {
      args,
      env: asked.Env ?? [],
      user: asked.User ?? "",
      workingDir: asked.WorkingDir ?? "",
      tty: asked.Tty ?? false,
      privileged: asked.Privileged ?? false,
      consoleSize: sizeIn(asked.ConsoleSize),
    },
    {
      stdin: asked.AttachStdin ?? false,
      stdout: asked.AttachStdout ?? false,
      stderr: asked.AttachStderr ?? false,
    },
    detachKeys,
  );
  await exchange.json(201, { Id: id });
}

/** POST /exec/{id}/start. */
export async function start(exchange: Exchange): Promise<void> {
  const found = findExec(exchange.parts.id);
  const asked = pick<{ Detach: boolean; ConsoleSize: number[] }>(
    await exchange.body.json(),
    START,
    "ExecStartOptions",
  );
  const consoleSize = sizeIn(asked.ConsoleSize) ?? found.request.consoleSize;
  const exec = { ...found, request: { ...found.request, consoleSize } };
  claimExec(exec);
  if (!asked.Detach) return await startAttached(exchange, exec);
  noteExecStart(exec, 0);
  const { execDetached } = await import("../engine/exec_client.ts");
  await execDetached(exec.container, exec.request);
  await exchange.empty(200);
}

/** Why a command cannot be started is output of it: the answer has begun when that is known. */
async function startAttached(exchange: Exchange, exec: ExecRecord): Promise<void> {
  const { execStream } = await import("../engine/exec_stream.ts");
  const { tty } = exec.request;
  const stream = await exchange.hijack(streamType(exchange, tty));
  const client = clientStream(stream, tty);
  try {
    await execStream(exec, { ...client, end: () => stream.end() });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    await client.write(STDOUT_STREAM, new TextEncoder().encode(`${error.message}\r\n`));
  }
}

/** POST /exec/{id}/resize. */
export async function resize(exchange: Exchange): Promise<void> {
  const exec = findExec(exchange.parts.id);
  const { resizeExec } = await import("../engine/exec_stream.ts");
  resizeExec(exec, sizeOf(exchange));
  await exchange.empty(200);
}

/** GET /exec/{id}/json. */
export async function inspect(exchange: Exchange): Promise<void> {
  const exec = findExec(exchange.parts.id);
  const { attach, request, exitCode } = exec;
  const [entrypoint, ...args] = request.args;
  await exchange.json(200, {
    ID: exec.id,
    Running: isRunning(exec),
    ExitCode: exitCode ?? null,
    ProcessConfig: {
      tty: request.tty,
      entrypoint,
      arguments: args,
      privileged: request.privileged,
      ...(request.user !== "" && { user: request.user }),
    },
    OpenStdin: attach.stdin,
    OpenStderr: attach.stderr,
    OpenStdout: attach.stdout,
    CanRemove: false,
    ContainerID: exec.container,
    DetachKeys: exec.detachKeys,
    Pid: exec.process?.pid ?? 0,
  });
}
