/** The filters of `events`, by docker's rules; keys it does not know let everything through. */
import { type Filters, matchAny, matchLabels } from "../base/filter.ts";
import type { LoggedEvent } from "./event_log.ts";

/** Events whose actions have a part behind a colon: the name alone means all of them. */
const PREFIXES = ["exec_create", "exec_start", "health_status"];

/** Makes the test of all filters. */
export function eventTest(filters: Filters): (event: LoggedEvent) => boolean {
  const isPrefix = (filters.get("event") ?? []).some((value) => PREFIXES.includes(value));
  return ({ value: { Type, Action, Actor, scope } }) => {
    const isNamed = (kind: string) => (value: string) =>
      Type === kind &&
      (Actor.ID.startsWith(value) || (Actor.Attributes.name ?? "").startsWith(value));
    const isOf = (kind: string) => (value: string) =>
      isNamed(kind)(value) || (Actor.Attributes[kind] ?? "").startsWith(value);
    return matchAny(filters, "type", (value) => value === Type) &&
      matchAny(filters, "scope", (value) => value === scope) &&
      matchAny(
        filters,
        "event",
        (value) => isPrefix ? Action.startsWith(value) : value === Action,
      ) &&
      matchAny(filters, "container", isOf("container")) &&
      matchAny(filters, "network", isOf("network")) &&
      matchAny(filters, "volume", isOf("volume")) &&
      matchAny(filters, "image", (value) => isOfImage(Type, Actor, value)) &&
      matchLabels(filters, Actor.Attributes);
  };
}

function isOfImage(
  type: string,
  { ID, Attributes }: LoggedEvent["value"]["Actor"],
  value: string,
): boolean {
  if (type !== "image" && type !== "container") return false;
  const name = (type === "image" ? Attributes.name : Attributes.image) ?? "";
  const bare = (text: string) => text.replace(/:[^:/]*$/, "");
  return (type === "image" && (ID === value || bare(ID) === value)) || name === value ||
    bare(name) === value;
}
