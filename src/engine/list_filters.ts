/** The filters of `ps` and `container prune`, by docker's rules. */
import { UserError } from "../base/errors.ts";
import {
  booleanFilter,
  type Filters,
  invalidFilter,
  matchAny,
  matchLabels,
  matchName,
  matchNoLabels,
} from "../base/filter.ts";
import { parseTime } from "../base/time.ts";
import { portRows } from "./ports.ts";
import { exitCodeOf, statusWord } from "./state.ts";
import type { Listed } from "./summary.ts";
import type { ContainerRecord } from "./types.ts";

/** All keys that `ps --filter` knows. */
export const PS_FILTERS: readonly string[] = [
  "ancestor",
  "before",
  "exited",
  "expose",
  "health",
  "id",
  "is-task",
  "isolation",
  "label",
  "label!",
  "name",
  "network",
  "publish",
  "since",
  "status",
  "volume",
];

const STATUSES = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
const HEALTHS = ["starting", "healthy", "unhealthy", "none"];

/** A port range of `publish` and `expose`: "80", "80/udp", "8000-8010/tcp". */
interface PortRange {
  readonly first: number;
  readonly last: number;
  readonly protocol: string;
}

function parsePortRange(key: string, value: string): PortRange {
  const match = /^(\d+)(?:-(\d+))?(?:\/(\w+))?$/.exec(value);
  if (match === null) throw new UserError(`invalid filter '${key}=${value}'`);
  const [, first, last = first, protocol = "tcp"] = match;
  return { first: Number(first), last: Number(last), protocol: protocol.toLowerCase() };
}

/** What filters have to know beside the container itself. */
export interface FilterContext {
  /** The record that `before=` or `since=` names. Throws UserError when there is none. */
  find(reference: string): ContainerRecord;
  /** Whether a container stands on the image that `ancestor=` names. */
  standsOn(record: ContainerRecord, image: string): boolean;
}

type Test = (listed: Listed) => boolean;

/** Makes the test of all filters. Throws UserError with docker's text for a bad value. */
export function containerTest(filters: Filters, context: FilterContext): Test {
  checkValues(filters);
  const tests: Test[] = [
    ...momentTests(filters, context),
    ({ record }) => matchAny(filters, "ancestor", (image) => context.standsOn(record, image)),
    (listed) => matchesExit(filters, listed),
    ({ health }) => matchAny(filters, "health", (value) => value === health),
    ({ record }) => matchAny(filters, "id", (value) => matches(value, record.Id)),
    () => booleanFilter(filters, "is-task") !== true, // those belong to a swarm
    ({ record }) =>
      matchAny(filters, "isolation", (value) => value === record.HostConfig.Isolation),
    ({ record }) => matchLabels(filters, record.Config.Labels),
    ({ record }) => matchNoLabels(filters, record.Config.Labels),
    ({ record }) => matchName(filters, [record.Name]),
    ({ record }) => matchAny(filters, "network", (value) => isConnected(record, value)),
    ({ state }) => matchAny(filters, "status", (value) => value === statusWord(state)),
    ({ record }) => matchAny(filters, "volume", (value) => hasMountOf(record, value)),
    ...portTests(filters),
  ];
  return (listed) => tests.every((test) => test(listed));
}

function checkValues(filters: Filters): void {
  const check = (key: string, isGood: (value: string) => boolean) => {
    for (const value of filters.get(key) ?? []) if (!isGood(value)) throw invalidFilter(key, value);
  };
  check("status", (value) => STATUSES.includes(value));
  check("health", (value) => HEALTHS.includes(value));
  booleanFilter(filters, "is-task");
  check("exited", (value) => /^[+-]?\d+$/.test(value));
}

function momentTests(filters: Filters, { find }: FilterContext): Test[] {
  const moments = (key: string) =>
    (filters.get(key) ?? []).map((reference) => parseTime(find(reference).Created) ?? 0n);
  const created = ({ record }: Listed) => parseTime(record.Created) ?? 0n;
  return [
    ...moments("before").map((moment): Test => (listed) => created(listed) < moment),
    ...moments("since").map((moment): Test => (listed) => created(listed) > moment),
  ];
}

/** Containers that never ran have no exit code. */
function matchesExit(filters: Filters, { state }: Listed): boolean {
  if (!filters.has("exited")) return true;
  if (state.kind !== "exited") return false;
  return matchAny(filters, "exited", (value) => Number(value) === exitCodeOf(state));
}

/** As docker matches ids: the value is an expression, or the text itself. */
function matches(value: string, text: string): boolean {
  try {
    return new RegExp(value).test(text);
  } catch {
    return text.includes(value);
  }
}

function isConnected({ NetworkSettings, HostConfig }: ContainerRecord, value: string): boolean {
  const networks = Object.entries(NetworkSettings.Networks);
  return HostConfig.NetworkMode === value ||
    networks.some(([name, { NetworkID }]) =>
      name === value || (NetworkID !== "" && NetworkID.startsWith(value))
    );
}

function hasMountOf({ Mounts }: ContainerRecord, value: string): boolean {
  return Mounts.some(({ Name, Source, Destination }) =>
    Name === value || Source === value || Destination === value
  );
}

/** As docker: one port that is published or exposed as asked is enough. */
function portTests(filters: Filters): Test[] {
  const ranges = (key: string) => filters.get(key)?.map((value) => parsePortRange(key, value));
  const publish = ranges("publish"), expose = ranges("expose");
  const isIn = (range: PortRange, port: number, protocol: string) =>
    port >= range.first && port <= range.last && protocol === range.protocol;
  const tests: Test[] = [];
  if (publish !== undefined) {
    tests.push(({ record }) =>
      portRows(record.NetworkSettings.Ports).some(({ hostPort, protocol }) =>
        hostPort !== undefined && publish.some((range) => isIn(range, hostPort, protocol))
      )
    );
  }
  if (expose !== undefined) {
    tests.push(({ record }) =>
      Object.keys(record.Config.ExposedPorts ?? {}).some((key) => {
        const [port, protocol = "tcp"] = key.split("/");
        return expose.some((range) => isIn(range, Number(port), protocol));
      })
    );
  }
  return tests.length === 0 ? [] : [(listed) => tests.some((test) => test(listed))];
}
