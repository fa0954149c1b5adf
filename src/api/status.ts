/**
 * Which status docker's daemon answers a refusal with. The texts are docker's own and the same
 * that the commands print: so they tell of what kind a refusal is. Pure.
 */

/** The first row that fits decides. */
const STATUSES: readonly (readonly [status: number, text: RegExp])[] = [
  [404, /No such (container|image|network|volume|exec instance)/i],
  [404, /^Could not find the file /],
  [404, /^network \S+ not found|^get \S+: no such volume/],
  [404, /plugin "\S+" not found$/],
  [404, /manifest for .* not found|repository does not exist/],
  [409, /^Conflict\. |^network with name \S+ already exists/],
  [409, /^(Container|container) \S+ is (not running|restarting|paused)/i],
  [409, /^Cannot kill container: .* is not running/],
  [409, /^cannot remove container /],
  [409, /^removal of container .* is already in progress/],
  [409, /^You cannot attach to a (stopped|paused)/],
  [409, /^cannot start a paused container/],
  [409, /is already (paused|in use)|^Exec command \S+ has already run|is paused, unpause/],
  [409, /^Exec instance \S+ is not running/],
  [500, /is not paused$/],
  [409, /volume is in use/],
  [409, /unable to remove repository reference|image is (being|referenced)/],
  [403, /is a pre-defined network and cannot be removed|has active endpoints/],
  [403, /^operation is not permitted on predefined|^Pool overlaps|^only one instance of/],
  [403, /^endpoint with name \S+ already exists in network/],
  [403, /is marked read-only$/],
  [
    400,
    /^failed to create task .*: exec: .*(not found|no such file|denied|format error|directory)/,
  ],
  [400, /^Cannot (read|load) archive/],
  [500, /^OCI runtime (create|exec) failed|^failed to create task|driver failed programming/],
  [401, /unauthorized|authentication required|no basic auth credentials/i],
  [500, /^Get "|^Head "|^Post "|^dial tcp/],
  [500, /^Cannot /],
];

/** docker's status of a refusal. What is in no row is the fault of what was asked: 400. */
export function statusOf(text: string): number {
  return STATUSES.find(([, pattern]) => pattern.test(text))?.[0] ?? 400;
}
