import { ownUserNamespace } from "./own_namespace.ts";

/** Below this directory the OCI runtime keeps its containers unless --root says otherwise. */
export const OCI_ROOT = "/run/diplodock/oci";

/**
 * The same for whoever runs it: an ordinary user's is below $XDG_RUNTIME_DIR, also where an engine
 * has made him root of a user namespace (podman); USER tells him from root in a container, as in
 * runc.
 */
export function ociRoot(
  env: (name: string) => string | undefined = Deno.env.get,
  uid: number = Deno.uid() ?? 0,
  isInside: () => boolean = () => ownUserNamespace() !== undefined,
): string {
  const own = env("XDG_RUNTIME_DIR");
  const isUsers = own?.startsWith("/") && (uid !== 0 || (env("USER") !== "root" && isInside()));
  return isUsers ? `${own}/diplodock/oci` : OCI_ROOT;
}
