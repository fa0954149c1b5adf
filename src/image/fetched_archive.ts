/** Archives that an address leads to. */
import { UserError } from "../base/errors.ts";
import { ask } from "./http.ts";
import { boundedBody, unreachable } from "./registry_error.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes of a refusal that are shown. */
const MAX_REFUSAL = 64 << 10;

/** Whether a text is the address of a file on a server, and not a path. */
export function isAddress(text: string): boolean {
  return /^https?:\/\//.test(text);
}

/** A file on a server. Throws UserError, RegistryError in the words of docker's daemon. */
export async function fetchArchive(address: string): Promise<AsyncIterable<Bytes>> {
  if (!URL.canParse(address) || /^\w+:\/\/\//.test(address)) {
    throw new UserError(`Get "${address}": http: no Host in request URL`);
  }
  const answer = await ask("GET", address, { headers: {} }).catch((error) => {
    throw unreachable(error, "GET", address);
  });
  if (answer.ok) return copies(answer.body);
  const { status, statusText } = answer;
  const body = await boundedBody(answer, MAX_REFUSAL, "an error").catch(() => new Uint8Array());
  const text = new TextDecoder().decode(body).trim();
  throw new UserError(`failed to GET ${address} with status ${status} ${statusText}: ${text}`);
}

/** An archive's reader keeps pieces; those of an answer are overwritten by the next. */
async function* copies(body: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  for await (const piece of body) yield piece.slice();
}
