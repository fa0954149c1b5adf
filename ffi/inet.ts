/** Internet addresses as the kernel takes them. ip(7), ipv6(7). */
import { AF_INET, AF_INET6 } from "./constants.ts";

/** The address family of a version of IP. */
export function addressFamily(version: 4 | 6): number {
  return version === 4 ? AF_INET : AF_INET6;
}
