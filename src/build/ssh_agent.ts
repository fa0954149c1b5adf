/**
 * `--ssh` and `RUN --mount=type=ssh`: the user's agent, passed on through a socket of the build's own.
 * An agent serves its own user alone, and the user of a RUN may be another one.
 */
import { UserError, whyOf } from "../base/errors.ts";
import { findProgram } from "../base/programs.ts";
import type { Session } from "../image/session.ts";

/** What `--ssh` names: an agent, or files of keys. */
export type SshSource =
  | { readonly socket: string }
  | { readonly keys: readonly string[] };

/** Owner and mode of the socket that a RUN sees. */
export interface SocketOwner {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** A socket that leads to an agent, until disposed. */
export interface PassedAgent extends Disposable {
  readonly path: string;
}

/** Opens a way to the agent. Throws UserError if there is none. */
export async function passAgent(
  session: Session,
  source: SshSource,
  owner: SocketOwner,
): Promise<PassedAgent> {
  using undo = new DisposableStack();
  const agent = "socket" in source
    ? source.socket
    : undo.use(await startAgent(session, source.keys)).path;
  const path = session.temporary("ssh");
  const listener = undo.use(listenAt(path));
  undo.defer(() => Deno.removeSync(path));
  Deno.chmodSync(path, owner.mode);
  Deno.chownSync(path, owner.uid, owner.gid);
  serve(listener, agent);
  const held = undo.move();
  return { path, [Symbol.dispose]: () => held.dispose() };
}

function listenAt(path: string): Deno.UnixListener {
  try {
    return Deno.listen({ transport: "unix", path });
  } catch (error) {
    throw new UserError(`Cannot pass an agent on at ${path}: ${whyOf(error as Error)}`);
  }
}

/** Passes each connection on, until the listener is closed. */
async function serve(listener: Deno.UnixListener, agent: string): Promise<void> {
  for await (const client of listener) passOn(client, agent);
}

async function passOn(client: Deno.UnixConn, agent: string): Promise<void> {
  using _client = client;
  try {
    using server = await Deno.connect({ transport: "unix", path: agent });
    await Promise.all([
      client.readable.pipeTo(server.writable),
      server.readable.pipeTo(client.writable),
    ]);
  } catch {
    // The agent is gone, or one side hung up: ssh tells of it.
  }
}

/** The agent lives as long as its standard input: a build that is killed leaves no keys behind. */
const LIFE = 'cat > /dev/null; kill "$SSH_AGENT_PID"';

/** An agent of the build's own, which holds these keys. Throws UserError. */
async function startAgent(session: Session, keys: readonly string[]): Promise<PassedAgent> {
  const [program, add] = ["ssh-agent", "ssh-add"].map(findProgram);
  if (program === undefined || add === undefined) {
    throw new UserError(
      "Cannot use keys for --ssh: ssh-agent and ssh-add are not installed; install OpenSSH's client",
    );
  }
  const path = session.temporary("agent");
  using undo = new DisposableStack();
  const agent = new Deno.Command(program, {
    args: ["-a", path, "sh", "-c", LIFE],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  undo.defer(() => void agent.stdin.close().catch(() => {})); // it has ended already
  await untilServed(path, agent);
  const { success, stderr } = await new Deno.Command(add, {
    args: ["-q", "--", ...keys],
    env: { SSH_AUTH_SOCK: path, SSH_ASKPASS_REQUIRE: "never" },
    stdin: "null",
    stderr: "piped",
  }).output();
  if (!success) {
    const why = new TextDecoder().decode(stderr).trim().replaceAll(/\s*\n\s*/g, "; ");
    throw new UserError(`Cannot use keys for --ssh: ${why}`);
  }
  const held = undo.move();
  return { path, [Symbol.dispose]: () => held.dispose() };
}

async function untilServed(path: string, agent: Deno.ChildProcess): Promise<void> {
  let hasEnded = false;
  agent.status.then(() => hasEnded = true);
  while (!hasEnded) {
    try {
      (await Deno.connect({ transport: "unix", path })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 5)); // its socket is not there yet
    }
  }
  throw new UserError("Cannot use keys for --ssh: ssh-agent ended at once");
}
