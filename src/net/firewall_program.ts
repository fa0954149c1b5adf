/** The programs that speak to the firewall: where they are, and their runs. */
import { findProgram } from "../base/programs.ts";

/** How rules get into the kernel. */
export type Backend = "iptables" | "iptables-legacy" | "iptables-nft" | "nft" | "none";

const decoder = new TextDecoder();

/** Runs a program of the firewall to its end. */
export async function runProgram(
  name: string,
  args: string[],
): Promise<{ ok: boolean; out: string; error: string }> {
  const path = findProgram(name);
  if (path === undefined) return { ok: false, out: "", error: `${name}: not found` };
  const { success, stdout, stderr } = await new Deno.Command(path, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  return { ok: success, out: decoder.decode(stdout), error: decoder.decode(stderr).trim() };
}

/** "iptables-legacy" and 6 -> "ip6tables-legacy-restore". */
export function programOf(backend: Backend, version: 4 | 6, verb: "restore" | "save"): string {
  return `${backend.replace("iptables", version === 4 ? "iptables" : "ip6tables")}-${verb}`;
}
