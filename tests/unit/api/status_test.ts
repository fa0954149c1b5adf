import { assertEquals } from "@std/assert";
import { statusOf } from "../../../src/api/status.ts";

/** Texts of the engine and docker's status of each: see tests/golden/api. */
const CASES: readonly (readonly [status: number, text: string])[] = [
  [404, "No such container: x"],
  [404, "Cannot kill container: x: No such container: x"],
  [404, "No such image: x:latest"],
  [404, "No such exec instance: x"],
  [404, "network x not found"],
  [404, "get x: no such volume"],
  [404, "Could not find the file /x in container y"],
  [404, 'could not find plugin x in v1 plugin registry: plugin "x" not found'],
  [404, "manifest for x:1 not found: manifest unknown: manifest unknown"],
  [409, 'Conflict. The container name "/x" is already in use by container "y".'],
  [409, "network with name x already exists"],
  [409, "container x is not running"],
  [409, "Container x is not running"],
  [409, "Container x is paused, unpause the container before exec"],
  [409, "container x is paused, unpause the container before attach"],
  [409, "Cannot kill container: x: container y is not running"],
  [409, "Container x is already paused"],
  [409, "Exec command x has already run"],
  [409, 'cannot remove container "/x": container is running: stop the container before removing'],
  [409, "remove x: volume is in use - [y]"],
  [409, 'conflict: unable to remove repository reference "x" (must force) - container y is using'],
  [403, "bridge is a pre-defined network and cannot be removed"],
  [403, 'error while removing network: network x id y has active endpoints (name:"z" id:"w")'],
  [403, "operation is not permitted on predefined bridge network"],
  [403, "Pool overlaps with other one on this address space"],
  [403, 'only one instance of "host" network is allowed'],
  [403, "endpoint with name x already exists in network y"],
  [401, 'Get "https://x/v2/": unauthorized: authentication required'],
  [500, "Container x is not paused"],
  [500, "OCI runtime exec failed: exec failed: unable to start container process"],
  [
    400,
    "failed to create task for container: failed to create shim task: OCI runtime create failed: " +
    'diplodock create failed: unable to start container process: exec: "x": executable file not ' +
    "found in $PATH",
  ],
  [500, "failed to create task for container: failed to create shim task: mount /x: busy"],
  [500, 'Get "https://x/v2/": dial tcp: lookup x: no such host'],
  [500, 'Cannot make a network with driver "overlay": there is the bridge driver only'],
  [400, "Cannot read archive: unexpected end"],
  [400, "invalid reference format: repository name (library/X) must be lowercase"],
  [400, "anything else"],
];

for (const [status, text] of CASES) {
  Deno.test(`statusOf() is ${status} for ${JSON.stringify(text)}`, () => {
    assertEquals(statusOf(text), status);
  });
}
