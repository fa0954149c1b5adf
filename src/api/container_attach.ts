/** POST /containers/{id}/attach: the connection becomes the container's streams. */
import { attachClient, type ClientStream, resizeTerminal } from "../engine/attach_stream.ts";
import { readRecord } from "../engine/containers.ts";
import { parseDetachKeys } from "../engine/detach_keys.ts";
import type { ByteStream } from "./byte_stream.ts";
import { containerId } from "./containers.ts";
import { type Exchange, MULTIPLEXED_STREAM, RAW_STREAM } from "./exchange.ts";
import { frame } from "./frames.ts";
import { ApiError } from "./http_head.ts";

/** Multiplexed streams have a name of their own since API 1.42. */
const NAMED_SINCE = 42;

/** The media type of streams on a connection that was taken over. */
export function streamType({ minor }: Exchange, isTerminal: boolean): string {
  return !isTerminal && minor >= NAMED_SINCE ? MULTIPLEXED_STREAM : RAW_STREAM;
}

/** The connection as streams: in frames, unless it is a terminal's. */
export function clientStream(stream: ByteStream, isTerminal: boolean): ClientStream {
  return {
    read: () => stream.read(),
    write: (number, bytes) => stream.write(isTerminal ? bytes : frame(number, bytes)),
  };
}

/** POST /containers/{id}/attach. */
export async function attach(exchange: Exchange): Promise<void> {
  const { query } = exchange;
  const id = containerId(exchange);
  const record = readRecord(id);
  const isTerminal = record.Config.Tty;
  const wish = {
    stdin: query.flag("stdin"),
    stdout: query.flag("stdout"),
    stderr: query.flag("stderr"),
    detachKeys: parseDetachKeys(query.text("detachKeys")),
  };
  using attachment = query.flag("stream") ? attachClient(id, wish) : undefined;
  const stream = await exchange.hijack(streamType(exchange, isTerminal));
  const pass = async () => {
    let since = 0n;
    if (query.flag("logs")) {
      const { FrameSink, replayLog } = await import("./container_logs.ts");
      const sink = new FrameSink(wish, isTerminal, (bytes) => stream.write(bytes));
      since = await replayLog(record, sink);
    }
    await attachment?.pump(clientStream(stream, isTerminal), since);
  };
  await Promise.race([stream.gone, pass()]);
}

/** POST /containers/{id}/resize. */
export async function resize(exchange: Exchange): Promise<void> {
  resizeTerminal(containerId(exchange), sizeOf(exchange));
  await exchange.empty(200);
}

/** `h` and `w` of a request. Throws ApiError 400. */
export function sizeOf({ query }: Exchange): { height: number; width: number } {
  const [height, width] = ["h", "w"].map((name) => {
    const value = query.integer(name);
    if (value === undefined) throw new ApiError(400, 'strconv.Atoi: parsing "": invalid syntax');
    return value;
  });
  const isSize = (value: number) => value >= 0 && value < 65536;
  if (!isSize(height) || !isSize(width)) {
    throw new ApiError(400, "invalid size: want h and w, each from 0 to 65535");
  }
  return { height, width };
}
