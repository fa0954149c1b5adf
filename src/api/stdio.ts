/** The API for the client whose connection is this program's stdin and stdout. */
import { takeStandardStreams } from "../engine/connection.ts";
import { Router } from "./router.ts";
import { ROUTES } from "./routes.ts";
import { serve } from "./serve.ts";

/** Answers requests until the client is done. */
export async function serveStandardStreams(): Promise<void> {
  await serve(takeStandardStreams(), new Router(ROUTES));
}
