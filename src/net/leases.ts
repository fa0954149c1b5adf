/**
 * Addresses leased to containers: one symbolic link per address, whose making the kernel refuses
 * if it exists. So any number of clients may lease at once without a lock, and the link's text
 * says whose it is.
 */
import { UserError } from "../base/errors.ts";
import { makeDirectories, namesIn, removeIfThere } from "../base/files.ts";
import { addressAt, contains, family, type Ip, sameIp, showIp, subnetSize } from "./address.ts";
import { isHeld, type Owner, parseOwner, showOwner } from "./owner.ts";
import { leasesDir, type NetPlaces } from "./places.ts";
import { type AddressPlan, isEdge } from "./subnets.ts";

/** What the messages call the network. */
export interface LeaseNetwork {
  readonly Id: string;
  readonly Name: string;
}

/** Makes the link; false if the address is leased. */
function claim(dir: string, ip: Ip, owner: Owner): boolean {
  const path = `${dir}/${showIp(ip)}`;
  for (;;) {
    try {
      Deno.symlinkSync(showOwner(owner), path);
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      makeDirectories(dir);
    }
  }
}

/** The addresses of a plan that may be leased, lowest first. */
export function* candidates(plan: AddressPlan): Generator<Ip> {
  const size = subnetSize(plan.range);
  for (let offset = 0; offset < size; offset++) {
    const ip = addressAt(plan.range, offset);
    if (isEdge(plan.subnet, ip) || sameIp(ip, plan.gateway)) continue;
    if (plan.reserved.some((other) => sameIp(ip, other))) continue;
    yield ip;
  }
}

/** Leases the lowest free address. Throws UserError with docker's text when none is left. */
export function leaseAny(
  places: NetPlaces,
  network: LeaseNetwork,
  plan: AddressPlan,
  owner: Owner,
): Ip {
  const dir = leasesDir(places, network.Id);
  const taken = new Set(namesIn(dir));
  for (const ip of candidates(plan)) {
    if (!taken.has(showIp(ip)) && claim(dir, ip, owner)) return ip;
  }
  const kind = `IPv${family(plan.gateway)}`;
  throw new UserError(
    `no available ${kind} addresses on this network's address pools: ` +
      `${network.Name} (${network.Id})`,
  );
}

/** Leases `ip`. Throws UserError with docker's texts if it is not ours to give or taken. */
export function leaseExact(
  places: NetPlaces,
  network: LeaseNetwork,
  plan: AddressPlan,
  ip: Ip,
  owner: Owner,
): Ip {
  if (!contains(plan.subnet, ip)) {
    throw new UserError(
      `invalid endpoint settings:\nno configured subnet or ip-range contain the IP address ` +
        showIp(ip),
    );
  }
  const reserved = isEdge(plan.subnet, ip) || sameIp(ip, plan.gateway);
  if (reserved || !claim(leasesDir(places, network.Id), ip, owner)) {
    throw new UserError("Address already in use");
  }
  return ip;
}

/**
 * Gives an address of container `id` back; fine if it is not leased, or to another by now: who
 * cleaned up faster may have given it away again.
 */
export function release(places: NetPlaces, networkId: string, address: string, id: string): void {
  const path = `${leasesDir(places, networkId)}/${address}`;
  try {
    if (parseOwner(Deno.readLinkSync(path)).id === id) Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Removes the directory of a network that is gone, with whatever is in it. */
export function forgetLeases(places: NetPlaces, networkId: string): void {
  removeIfThere(leasesDir(places, networkId), true);
}

/** A lease on disk. */
export interface Lease {
  readonly networkId: string;
  readonly address: string;
  readonly owner: Owner;
}

/** All leases of all networks (their ids are shortened to 12 digits). */
export function listLeases(places: NetPlaces): Lease[] {
  const found: Lease[] = [];
  const root = `${places.run}/leases`;
  for (const networkId of namesIn(root)) {
    for (const address of namesIn(`${root}/${networkId}`)) {
      const path = `${root}/${networkId}/${address}`;
      try {
        found.push({ networkId, address, owner: parseOwner(Deno.readLinkSync(path)) });
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error; // released meanwhile
      }
    }
  }
  return found;
}

/** Gives back what the dead hold; how many. */
export function sweepLeases(places: NetPlaces, isLive: (id: string) => boolean): number {
  const dead = listLeases(places).filter((lease) => !isHeld(lease.owner, isLive));
  for (const lease of dead) release(places, lease.networkId, lease.address, lease.owner.id);
  return dead.length;
}
