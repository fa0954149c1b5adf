import type { CommandSpec } from "./args.ts";

/** What a command's module exports, or what `load` picks out of a module of several commands. */
export interface CommandModule {
  /** Runs the command on the words behind its name; the exit code. */
  command(args: string[]): number | Promise<number>;
  /** For the help page and completion; commands without flags of their own may have none. */
  readonly spec?: CommandSpec;
}

/** Where the front page lists a command. Hidden ones work and are not listed. */
export type Section = "common" | "other" | "system" | "hidden";

export interface CommandRow {
  readonly section: Section;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

const row = (section: Section, summary: string, load: CommandRow["load"]): CommandRow => ({
  section,
  summary,
  load,
});

/**
 * Every command once, under its first name; a group's own verb under `<group> <verb>`. One line
 * a command: nothing of it is loaded before it is called.
 */
// deno-fmt-ignore
export const COMMANDS: Readonly<Record<string, CommandRow>> = {
  "run": row("common", "Create and run a new container from an image", () => import("./run.ts")),
  "exec": row("common", "Execute a command in a running container", () => import("./exec.ts")),
  "attach": row("other", "Attach local standard input, output, and error streams to a running container", () => import("./attach.ts")),
  "logs": row("other", "Fetch the logs of a container", () => import("./logs.ts")),
  "create": row("other", "Create a new container", () => import("./create.ts")),
  "start": row("other", "Start one or more stopped containers", () => import("./start.ts")),
  "stop": row("other", "Stop one or more running containers", () => import("./stop.ts")),
  "restart": row("other", "Restart one or more containers", () => import("./restart.ts")),
  "kill": row("other", "Kill one or more running containers", () => import("./kill.ts")),
  "rm": row("other", "Remove one or more containers", () => import("./rm.ts")),
  "pause": row("other", "Pause all processes within one or more containers", () => import("./pause.ts")),
  "unpause": row("other", "Unpause all processes within one or more containers", () => import("./unpause.ts")),
  "update": row("other", "Update configuration of one or more containers", () => import("./update.ts")),
  "explain": row("common", "Show what the kernel is asked for a container, and why; nothing is done", () => import("./explain.ts")),
  "oci": row("system", "Run OCI bundles, with runc's command line", () => import("./oci.ts")),
  "__cleanup": row("hidden", "Clean up after a container", () => import("./cleanup.ts")),
  "__exec_ended": row("hidden", "Tell of the end of a process", () => import("./exec_ended.ts")),
  "__health": row("hidden", "Note that the health of a container changed", () => import("./health_now.ts")),
  "__rules": row("hidden", "Put rules back that somebody removed", () => import("./rules_now.ts")),
  "__restart": row("hidden", "Restart a container after its back-off", () => import("./restart_now.ts")),
  "version": row("common", "Show the version of Diplodock", () => import("./version.ts")),
  "completion": row("other", "Print the completion script of a shell", () => import("./completion.ts")),
  "__complete": row("hidden", "Completions of a command line", () => import("./complete.ts")),
  "build": row("common", "Build an image from a Dockerfile", () => import("./build.ts")),
  "builder prune": row("other", "Remove build cache", () => import("./build_prune.ts")),
  "pull": row("common", "Download an image from a registry", () => import("./image_pull.ts")),
  "images": row("common", "List images", () => import("./images.ts")),
  "history": row("other", "Show the history of an image", () => import("./image_history.ts")),
  "import": row("other", "Import the contents from a tarball to create a filesystem image", () => import("./image_import.ts")),
  "load": row("other", "Load an image from a tar archive or STDIN", () => import("./image_load.ts")),
  "rmi": row("other", "Remove one or more images", () => import("./image_rm.ts")),
  "save": row("other", "Save one or more images to a tar archive (streamed to STDOUT by default)", () => import("./image_save.ts")),
  "tag": row("other", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE", () => import("./image_tag.ts")),
  "image inspect": row("other", "Display detailed information on one or more images", () => import("./image_inspect.ts")),
  "system boot": row("system", "Start the containers that should run after a reboot", () => import("./system_boot.ts")),
  "system unit": row("system", "Print what starts containers at boot: a systemd unit, or --openrc, --cron", () => import("./system_unit.ts")),
  "system dial-stdio": row("system", "Speak docker's API on stdin and stdout, for one connection", () => import("./system_dial_stdio.ts")),
  "system service": row("system", "Serve docker's API on a local socket", () => import("./system_service.ts")),
  "system prune": row("system", "Remove unused data", () => import("./system_prune.ts")),
  "system reset": row("system", "Remove all containers, images, networks, volumes and files of this engine", () => import("./system_reset.ts")),
  "system df": row("system", "Show disk usage", () => import("./system_df.ts")),
  "commit": row("other", "Create a new image from a container's changes", () => import("./commit.ts")),
  "export": row("other", "Export a container's filesystem as a tar archive", () => import("./export.ts")),
  "image prune": row("other", "Remove unused images", () => import("./image_prune.ts")),
  "image mount": row("other", "Mount the files of images, read only, and print where", () => import("./image_mount.ts")),
  "image unmount": row("other", "Unmount images that image mount mounted", () => import("./image_unmount.ts")),
  "manifest inspect": row("other", "Display an image manifest, or manifest list, of a registry", () => import("./image_manifest.ts")),
  "push": row("common", "Upload an image to a registry", () => import("./image_push.ts")),
  "search": row("common", "Search Docker Hub for images", () => import("./image_search.ts")),
  "login": row("common", "Authenticate to a registry", () => import("./login.ts")),
  "logout": row("common", "Log out from a registry", () => import("./logout.ts")),
  "ps": row("common", "List containers", () => import("./ps.ts")),
  "inspect": row("other", "Return low-level information on containers, images, networks and volumes", () => import("./inspect.ts")),
  "container inspect": row("other", "Display detailed information on one or more containers", () => import("./container_inspect.ts")),
  "wait": row("other", "Block until one or more containers stop, then print their exit codes", () => import("./wait.ts")),
  "rename": row("other", "Rename a container", () => import("./rename.ts")),
  "stats": row("other", "Display a live stream of container(s) resource usage statistics", () => import("./stats.ts")),
  "top": row("other", "Display the running processes of a container", () => import("./top.ts")),
  "network create": row("other", "Create a network", () => import("./network_create.ts")),
  "network ls": row("other", "List networks", () => import("./network_ls.ts")),
  "network inspect": row("other", "Display detailed information on one or more networks", () => import("./network_inspect.ts")),
  "network rm": row("other", "Remove one or more networks", () => import("./network_rm.ts")),
  "network connect": row("other", "Connect a container to a network", () => import("./network_connect.ts")),
  "network disconnect": row("other", "Disconnect a container from a network", () => import("./network_disconnect.ts")),
  "network prune": row("other", "Remove all unused networks", () => import("./network_prune.ts")),
  "network repair": row("other", "Put back what a firewall reload or a crash took from networks", () => import("./network_repair.ts")),
  "port": row("other", "List port mappings or a specific mapping for the container", () => import("./port.ts")),
  "volume create": row("other", "Create a volume", () => import("./volume_create.ts")),
  "volume ls": row("other", "List volumes", () => import("./volume_ls.ts")),
  "volume inspect": row("other", "Display detailed information on one or more volumes", () => import("./volume_inspect.ts")),
  "volume rm": row("other", "Remove one or more volumes", () => import("./volume_rm.ts")),
  "volume prune": row("other", "Remove unused local volumes", () => import("./volume_prune.ts")),
  "container prune": row("other", "Remove all stopped containers", () => import("./container_prune.ts")),
  "events": row("other", "Get real time events from the engine", () => import("./events.ts")),
  "info": row("other", "Display system-wide information", () => import("./info.ts")),
  "doctor": row("system", "Try what this machine's kernel can do for containers", () => import("./doctor.ts")),
  "unshare": row("other", "Run a command as root of an ordinary user's containers' user namespace", () => import("./unshare.ts")),
  "cp": row("other", "Copy files/folders between a container and the local filesystem", () => import("./cp.ts")),
  "diff": row("other", "Inspect changes to files or directories on a container's filesystem", () => import("./diff.ts")),
};

/** A group: its verbs are other names of commands, or commands of its own. */
export interface Group {
  readonly summary: string;
  /** Verbs that are commands of the table above, by the same name. */
  readonly same: readonly string[];
  /** Verbs that the table has under another name. */
  readonly other: Readonly<Record<string, string>>;
}

// deno-fmt-ignore
export const GROUPS: Readonly<Record<string, Group>> = {
  container: {
    summary: "Manage containers",
    same: [
      "attach", "commit", "cp", "create", "diff", "exec", "export", "kill", "logs", "pause", "port", "ps", "rename",
      "restart", "rm", "run", "start", "stats", "stop", "top", "unpause", "update", "wait",
    ],
    other: { ls: "ps", list: "ps", remove: "rm" },
  },
  image: {
    summary: "Manage images",
    same: ["build", "history", "import", "load", "pull", "push", "save", "tag"],
    other: { ls: "images", list: "images", rm: "rmi", remove: "rmi" },
  },
  volume: { summary: "Manage volumes", same: [], other: { list: "volume ls", remove: "volume rm" } },
  network: { summary: "Manage networks", same: [], other: { list: "network ls", remove: "network rm" } },
  builder: { summary: "Manage builds", same: ["build"], other: {} },
  buildx: { summary: "Build images, by the name of docker's plug-in", same: ["build"], other: { prune: "builder prune" } },
  manifest: { summary: "Look at image manifests of registries", same: [], other: {} },
  system: { summary: "Manage Diplodock", same: ["info", "events", "doctor"], other: {} },
};

/** Verbs of a group that are spellings of another verb: not listed, not completed first. */
const SPELLINGS: ReadonlySet<string> = new Set(["list", "remove", "ps"]);

/** What the words of a command line ask for. */
export type Request =
  /** `name`: in the table; `path`: as the user spelled it. */
  | { kind: "command"; name: string; path: string; row: CommandRow; rest: string[] }
  /** A group's name, and behind it nothing, a flag, or a verb that it does not have. */
  | { kind: "group"; path: string; group: Group; rest: string[] }
  /** Nothing, a flag, or a word that is no command. */
  | { kind: "front"; path: string; rest: string[] };

/** The name in COMMANDS of a group's verb; undefined where there is none. */
function verbCommand(name: string, verb: string): string | undefined {
  const group = GROUPS[name];
  const own = `${name} ${verb}`;
  const target = Object.hasOwn(COMMANDS, own)
    ? own
    : group.same.includes(verb)
    ? verb
    : Object.hasOwn(group.other, verb)
    ? group.other[verb]
    : undefined;
  return target !== undefined && Object.hasOwn(COMMANDS, target) ? target : undefined;
}

/** Finds the command of a command line. */
export function resolve(args: readonly string[]): Request {
  const [first, second] = args;
  if (first !== undefined && Object.hasOwn(GROUPS, first)) {
    const path = `${first} ${second}`;
    const name = second === undefined ? undefined : verbCommand(first, second);
    if (name !== undefined) {
      return { kind: "command", name, path, row: COMMANDS[name], rest: args.slice(2) };
    }
    return { kind: "group", path: first, group: GROUPS[first], rest: args.slice(1) };
  }
  // A group's own verb has a space in its name: no single word finds it.
  if (first !== undefined && Object.hasOwn(COMMANDS, first) && !first.includes(" ")) {
    const row = COMMANDS[first];
    return { kind: "command", name: first, path: first, row, rest: args.slice(1) };
  }
  return { kind: "front", path: "", rest: [...args] };
}

/** The verbs of a group that exist, sorted, each with its command; spellings come last. */
export function groupVerbs(name: string): [verb: string, row: CommandRow][] {
  const group = GROUPS[name];
  const own = Object.keys(COMMANDS).filter((key) => key.startsWith(name + " "));
  const verbs = [
    ...own.map((key) => key.slice(name.length + 1)),
    ...group.same,
    ...Object.keys(group.other),
  ];
  const rows: [string, CommandRow][] = [];
  for (const verb of new Set(verbs)) {
    const target = verbCommand(name, verb);
    if (target !== undefined) rows.push([verb, COMMANDS[target]]);
  }
  const late = (verb: string) => Number(SPELLINGS.has(verb));
  return rows.sort(([a], [b]) => late(a) - late(b) || (a < b ? -1 : 1));
}
