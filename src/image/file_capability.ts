/**
 * Capabilities of a file, as its attribute holds them: they are worth something in the user
 * namespace whose root the attribute names, or in the machine's own without one. capabilities(7),
 * "Namespaced file capabilities"; linux/capability.h.
 */

/** The attribute's name. */
export const CAPABILITY = "security.capability";

const VERSION_2 = 0x0200_0000, VERSION_3 = 0x0300_0000, VERSION_MASK = 0xff00_0000;

/** The attribute for the user namespace whose root is `rootId` here; 0: the one that we are in. */
export function capabilityFor(
  value: Uint8Array<ArrayBuffer>,
  rootId: number,
): Uint8Array<ArrayBuffer> {
  if (value.length < 20) return value; // version 1, which nothing has written since Linux 2.6.25
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const magic = view.getUint32(0, true);
  const version = (magic & VERSION_MASK) >>> 0;
  if (version !== VERSION_2 && version !== VERSION_3) return value;
  const changed = new Uint8Array(rootId === 0 ? 20 : 24);
  changed.set(value.subarray(0, 20));
  const changedView = new DataView(changed.buffer);
  const flags = magic & ~VERSION_MASK;
  changedView.setUint32(0, (rootId === 0 ? VERSION_2 : VERSION_3) | flags, true);
  if (rootId !== 0) changedView.setUint32(20, rootId, true);
  return changed;
}
