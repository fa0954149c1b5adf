/** Below this directory the OCI runtime keeps its containers unless --root says otherwise. */
export const OCI_ROOT = "/run/diplodock/oci";
