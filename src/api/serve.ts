/** Serves one connection: request after request, until the client is done. */
import { firstError, messageOf, type UserError } from "../base/errors.ts";
import { API_VERSION, VERSION } from "../base/version.ts";
import { isImageRefusal } from "../engine/refusal.ts";
import { ByteReader, type ByteStream } from "./byte_stream.ts";
import { Exchange, headBytes, JSON_TYPE, type Wire } from "./exchange.ts";
import { Body } from "./http_body.ts";
import { ApiError, bodyKind, parseHead, type RequestHead } from "./http_head.ts";
import type { Router } from "./router.ts";
import { statusOf } from "./status.ts";

/** Longer heads are refused. Credentials for a registry travel in one. */
const HEAD_BYTES = 64 * 1024;

/** What every answer says of us. */
const COMMON_HEADERS: Readonly<Record<string, string>> = {
  "Api-Version": API_VERSION,
  "Docker-Experimental": "false",
  Ostype: "linux",
  Server: `Diplodock/${VERSION} (linux)`,
};

/** Answers requests until the connection ends. Never throws for what a client does. */
export async function serve(stream: ByteStream, router: Router): Promise<void> {
  const wire = { stream, reader: new ByteReader(stream) };
  try {
    while (await serveOne(wire, router));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** Answers one request; whether another may follow. */
async function serveOne(wire: Wire, router: Router): Promise<boolean> {
  let head: RequestHead | undefined;
  let body: Body;
  try {
    head = await readHead(wire.reader);
    if (head === undefined) return false;
    const waits = head.headers.get("expect")?.toLowerCase() === "100-continue";
    const goOn = () => wire.stream.write(headBytes(100, {}));
    body = new Body(wire.reader, bodyKind(head), waits ? goOn : undefined);
  } catch (error) {
    await refuse(wire.stream, error);
    return false;
  }
  return await answer(head, body, wire, router);
}

async function answer(
  head: RequestHead,
  body: Body,
  wire: Wire,
  router: Router,
): Promise<boolean> {
  let exchange = new Exchange(head, body, {}, 0, COMMON_HEADERS, wire);
  try {
    const { load, parts, minor } = router.match(head);
    exchange = new Exchange(head, body, parts, minor, COMMON_HEADERS, wire);
    await (await load())(exchange);
  } catch (thrown) {
    const error = firstError(thrown);
    if (error instanceof Deno.errors.BrokenPipe) throw error;
    const { status, message } = problemOf(error);
    // An answer that has begun is cut off: that is all a client can be told then.
    if (exchange.isAnswered) return false;
    await exchange.json(status, { message });
  }
  return head.keepsAlive && !exchange.isLast;
}

/** The head of the next request; undefined when there is none. Empty lines before it are none. */
async function readHead(reader: ByteReader): Promise<RequestHead | undefined> {
  const lines: string[] = [];
  for (let left = HEAD_BYTES;;) {
    const line = await reader.line(left, 431);
    if (line === undefined) {
      if (lines.length === 0) return undefined;
      throw new ApiError(400, "Cannot read the request: it ends in the middle");
    }
    left -= line.length + 2;
    if (line !== "") lines.push(line);
    else if (lines.length > 0) return parseHead(lines.join("\r\n"));
  }
}

/** Answers what is no request, after which nothing that comes has a meaning. */
async function refuse(stream: ByteStream, error: unknown): Promise<void> {
  const { status, message } = problemOf(error);
  const text = new TextEncoder().encode(JSON.stringify({ message }) + "\n");
  await stream.write(headBytes(status, {
    ...COMMON_HEADERS,
    "Content-Type": JSON_TYPE,
    "Content-Length": String(text.length),
    Connection: "close",
  }));
  await stream.write(text);
}

function problemOf(error: unknown): { status: number; message: string } {
  if (error instanceof ApiError) return error;
  if (isImageRefusal(error)) {
    const { hint } = error as Partial<UserError>;
    const message = hint === undefined ? error.message : `${error.message} ${hint}`;
    return { status: statusOf(message), message };
  }
  if (!(error instanceof Error)) throw error;
  // Not what a client did: who runs the service should see where it comes from.
  if (error.name !== "SyscallError") console.error(error.stack);
  return { status: 500, message: messageOf(error) };
}
