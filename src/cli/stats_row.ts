/** A container's figures as `stats` prints them: docker's fields. */
import { formatMemory, formatSize } from "../base/units.ts";
import type { ContainerUsage, Usage } from "../engine/stats.ts";
import { type ListSpec, type Row, shortId } from "./output.ts";

export const STATS_LIST: ListSpec = {
  headers: {
    Container: "CONTAINER",
    Name: "NAME",
    ID: "CONTAINER ID",
    CPUPerc: "CPU %",
    MemUsage: "MEM USAGE / LIMIT",
    MemPerc: "MEM %",
    NetIO: "NET I/O",
    BlockIO: "BLOCK I/O",
    PIDs: "PIDS",
  },
  columns: ["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"],
  quietField: "ID",
  typeName: "*container.statsContext",
};

/** What a container that does not run uses. */
const NOTHING: Usage = {
  cpuPercent: 0,
  memoryBytes: 0,
  memoryLimitBytes: 0,
  receivedBytes: 0,
  sentBytes: 0,
  readBytes: 0,
  writtenBytes: 0,
  pids: 0,
};

/** docker's signs for what cannot be read. */
const UNKNOWN = {
  BlockIO: "--",
  CPUPerc: "--",
  MemPerc: "--",
  MemUsage: "-- / --",
  NetIO: "--",
  PIDs: "--",
};

const percent = (value: number) => `${value.toFixed(2)}%`;

/** The row of one container. */
export function statsRow(container: ContainerUsage, noTrunc: boolean): Row {
  const { id, name, reference, usage = NOTHING } = container;
  const who = {
    Container: reference === id ? shortId(id) : reference,
    ID: shortId(id, noTrunc),
    Name: name,
  };
  if (usage === "unknown") return { ...who, ...UNKNOWN };
  const { memoryBytes, memoryLimitBytes } = usage;
  return {
    ...who,
    BlockIO: `${formatSize(usage.readBytes)} / ${formatSize(usage.writtenBytes)}`,
    CPUPerc: percent(usage.cpuPercent),
    MemPerc: percent(memoryLimitBytes > 0 ? memoryBytes / memoryLimitBytes * 100 : 0),
    MemUsage: `${formatMemory(memoryBytes)} / ${formatMemory(memoryLimitBytes)}`,
    NetIO: `${formatSize(usage.receivedBytes)} / ${formatSize(usage.sentBytes)}`,
    PIDs: String(usage.pids),
  };
}
