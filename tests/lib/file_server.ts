/** A web server of a few files on 127.0.0.1. */

/** One file, with headers of its own. */
export interface ServedFile {
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A running server. */
export interface FileServer extends AsyncDisposable {
  /** "http://127.0.0.1:<port>". */
  readonly address: string;
  /** Paths that were asked for. */
  readonly asked: readonly string[];
}

/** Serves files by their paths; everything else is not found. */
export function serveFiles(files: Readonly<Record<string, ServedFile>>): FileServer {
  const asked: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    asked.push(pathname);
    const file = files[pathname];
    if (file === undefined) return new Response("no", { status: 404 });
    return new Response(file.body, { headers: file.headers });
  });
  return {
    address: `http://127.0.0.1:${server.addr.port}`,
    asked,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
