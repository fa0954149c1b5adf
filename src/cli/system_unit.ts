import { isRootless } from "../base/places.ts";
import { selfCommand } from "../base/self.ts";
import { type CommandSpec, parseArgs } from "./args.ts";
import { writeOut } from "./output.ts";

export const spec = {
  name: "system unit",
  usage: "",
  summary: "Print a systemd unit that starts containers at boot",
  description: "The unit runs diplodock system boot once the network is there. Stopping the " +
    "unit leaves the containers alone. Of an ordinary user it is a user's unit.",
  args: [0, 0],
  flags: {},
  examples: [
    "diplodock system unit >/etc/systemd/system/diplodock.service",
    "systemctl enable diplodock",
  ],
} as const satisfies CommandSpec;

/** systemd.service(5): words in double quotes, "%" and "$" doubled. */
function quoted(words: readonly string[]): string {
  return words.map((word) => {
    const escaped = word.replace(/["\\]/g, "\\$&").replace(/[%$]/g, "$&$&");
    return /^[\w@+\-=:,./%$]+$/.test(word) ? escaped : `"${escaped}"`;
  }).join(" ");
}

/** Variables that move our directories; a unit has none of the shell's. */
function environment(): string {
  return ["DIPLODOCK_ROOT", "DIPLODOCK_RUN"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [`Environment=${quoted([`${name}=${value}`])}\n`];
  }).join("");
}

/** The unit as text. KillMode=process: the containers are no processes of the unit. */
export function unitText(program: readonly string[], user: boolean): string {
  const command = quoted(program);
  return `[Unit]
Description=Containers of Diplodock
Documentation=man:systemd.service(5)
${user ? "" : "Wants=network-online.target\nAfter=network-online.target\n"}
[Service]
Type=oneshot
RemainAfterExit=yes
KillMode=process
${environment()}ExecStart=${command} system boot

[Install]
WantedBy=${user ? "default.target" : "multi-user.target"}
`;
}

/** `diplodock system unit`. */
export async function command(words: string[]): Promise<number> {
  parseArgs(spec, words);
  await writeOut(unitText(selfCommand(), isRootless()));
  return 0;
}
