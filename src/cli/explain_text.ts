/** An explanation as text for people. */
import { callText, type Explanation } from "../engine/explain.ts";
import type { ExplainedNetwork } from "../engine/explain_network.ts";
import { alignColumns } from "./output.ts";

const TITLES: Record<Explanation["kind"], string> = {
  run: "would be made and started",
  start: "would be started",
  running: "runs",
  exec: "would get one more process",
};

/** The whole text: tables, then each program. */
export function explanationText(explanation: Explanation): string {
  const { kind, container, cgroup, network, descriptors, programs } = explanation;
  const parts = [
    `Container ${container.name} (${container.id.slice(0, 12)}) ${TITLES[kind]}.\n`,
    section("NAMESPACES", namespaceTable(explanation)),
    section(`CGROUP ${cgroup.path}`, cgroupTable(explanation)),
    section("NETWORK", networkText(network)),
    section(
      "DESCRIPTORS (opened before; their numbers differ each time)",
      descriptors.map(({ number, what }) => `${number}  ${what}\n`).join(""),
    ),
    ...programs.map(({ title, steps }) => section(`PROGRAM of ${title}`, stepLines(steps))),
  ];
  return parts.filter((part) => part !== "").join("\n");
}

function section(title: string, body: string): string {
  return body === "" ? "" : `${title}\n${body}`;
}

function namespaceTable({ namespaces }: Explanation): string {
  const rows = namespaces.map(({ type, isolates, flag, origin, from, inode }) => {
    const whose = origin === "new"
      ? "new"
      : origin === "host"
      ? "shared with the host"
      : `shared: ${from}`;
    return [type, whose, flag, inode === undefined ? "-" : String(inode), isolates].join("\t");
  });
  return alignColumns([["TYPE", "WHOSE", "FLAG", "INODE", "ISOLATES"].join("\t"), ...rows]);
}

function cgroupTable({ cgroup }: Explanation): string {
  const rows = cgroup.writes.map(({ path, value, now, why }) => {
    const what = value === undefined ? "mkdir" : JSON.stringify(value);
    const current = now === undefined || now === value ? "" : ` (now ${now.split("\n")[0]})`;
    return [path, what + current, why].join("\t");
  });
  return rows.length === 0 ? "" : alignColumns(["FILE\tWRITTEN\tWHY", ...rows]);
}

function networkText({ mode, links, ports, rules, shaping }: ExplainedNetwork): string {
  if (mode !== "networks") return mode === "none" ? "lo only\n" : `that of the ${mode}\n`;
  const lines = links.map(({ network, bridge, hostLink, name, addresses, gateways, mac }) => {
    const where = bridge === "" ? "a bridge that is made first" : `bridge ${bridge}`;
    const words = [
      `${name} of network ${network}: veth pair with ${hostLink} on ${where}`,
      ...addresses.map((address) => `address ${address}`),
      ...gateways.map((gateway) => `default route via ${gateway}`),
      ...(mac === undefined ? [] : [`MAC ${mac}`]),
    ];
    return words.join(", ");
  });
  return [
    ...lines,
    ...(shaping === undefined ? [] : [`what it sends: ${shaping}`]),
    ...ports.map((port) => `port ${port}`),
    ...rules.map((rule) => `rule ${rule}`),
  ].map((line) => `${line}\n`).join("");
}

/** Steps in three columns: number, call, goal with what else is to be known. */
function stepLines(steps: Explanation["programs"][number]["steps"]): string {
  const width = String(steps.length).length;
  return steps.map((step) => {
    const notes = step.notes.length === 0 ? "" : `  [${step.notes.join("; ")}]`;
    return `${String(step.number).padStart(width)}  ${callText(step)}  # ${step.goal}${notes}\n`;
  }).join("");
}
