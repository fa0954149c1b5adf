import { UserError } from "../base/errors.ts";
import { isRootless } from "../base/places.ts";
import { selfCommand } from "../base/self.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { writeOut } from "./output.ts";

export const spec = {
  name: "system unit",
  usage: "[OPTIONS]",
  summary: "Print what starts containers at boot: a systemd unit, or --openrc, --cron",
  description: "The unit runs diplodock system boot once the network is there. Stopping the " +
    "unit leaves the containers alone. Of an ordinary user it is a user's unit.\n" +
    "With --openrc it is a service of OpenRC; with --cron a line for cron, where nothing else " +
    "starts things at boot.",
  args: [0, 0],
  flags: {
    cron: { type: "bool", help: "Print a line for /etc/cron.d, or for a user's crontab" },
    openrc: { type: "bool", help: "Print a service script for /etc/init.d of OpenRC" },
  },
  examples: [
    "diplodock system unit >/etc/systemd/system/diplodock.service",
    "diplodock system unit --openrc >/etc/init.d/diplodock",
    "diplodock system unit --cron >/etc/cron.d/diplodock",
  ],
} as const satisfies CommandSpec;

/** systemd.service(5): words in double quotes, "%" and "$" doubled. */
function quoted(words: readonly string[]): string {
  return words.map((word) => {
    const escaped = word.replace(/["\\]/g, "\\$&").replace(/[%$]/g, "$&$&");
    return /^[\w@+\-=:,./%$]+$/.test(word) ? escaped : `"${escaped}"`;
  }).join(" ");
}

/** Variables that move our directories, as NAME=VALUE; what starts at boot has no shell's. */
export type Variables = readonly string[];

function variables(): Variables {
  return ["DIPLODOCK_ROOT", "DIPLODOCK_RUN"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [`${name}=${value}`];
  });
}

/** The unit as text. KillMode=process: the containers are no processes of the unit. */
function unitText(
  program: readonly string[],
  user: boolean,
  variables: Variables = [],
): string {
  const command = quoted(program);
  const environment = variables.map((word) => `Environment=${quoted([word])}\n`).join("");
  return `[Unit]
Description=Containers of Diplodock
Documentation=man:systemd.service(5)
${user ? "" : "Wants=network-online.target\nAfter=network-online.target\n"}
[Service]
Type=oneshot
RemainAfterExit=yes
KillMode=process
${environment}ExecStart=${command} system boot

[Install]
WantedBy=${user ? "default.target" : "multi-user.target"}
`;
}

/** Words for a shell. */
function shellWords(words: readonly string[]): string {
  return words.map((word) =>
    /^[\w@+\-=:,./%]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
  ).join(" ");
}

/** A service script of openrc-run(8). Its stop leaves the containers alone. */
function openrcText(program: readonly string[], variables: Variables = []): string {
  return `#!/sbin/openrc-run
description="Containers of Diplodock"

depend() {
\tneed localmount
\tuse net
\tafter firewall
}

start() {
\tebegin "Starting the containers of Diplodock"
\tenv ${shellWords([...variables, ...program])} system boot
\teend $?
}

stop() {
\treturn 0
}
`;
}

/** A line of crontab(5): of a user's own, or with the user for /etc/cron.d. */
function cronText(
  program: readonly string[],
  user: boolean,
  variables: Variables = [],
): string {
  // To cron a "%" is the end of the command.
  const line = shellWords(["env", ...variables, ...program]).replaceAll("%", "\\%");
  return `@reboot ${user ? "" : "root "}${line} system boot\n`;
}

/** `diplodock system unit`. */
export async function command(words: string[]): Promise<number> {
  const { options: { cron, openrc } } = parseArgs(spec, words);
  if (cron && openrc) throw new UserError("conflicting options: --cron and --openrc");
  const program = selfCommand(), user = isRootless(), own = variables();
  if (openrc && user) {
    throw new UserError("OpenRC starts services of root only: use --cron, for your own crontab");
  }
  const text = openrc
    ? openrcText(program, own)
    : cron
    ? cronText(program, user, own)
    : unitText(program, user, own);
  await writeOut(text);
  return 0;
}
