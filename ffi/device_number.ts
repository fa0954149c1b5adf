/** Devices as one number, as mknod(2) takes it and stat(2) shows it. makedev(3). */

/** A device by its numbers. */
export interface DeviceNumbers {
  readonly major: number;
  readonly minor: number;
}

/** Of the kernel's 20 bits for the minor number, eight are the lowest and the others the highest. */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** The other way round. */
export function decodeDevice(rdev: number): DeviceNumbers {
  const low = rdev >>> 0;
  return { major: (low >>> 8) & 0xfff, minor: (low & 0xff) | ((low >>> 12) & 0xfff00) };
}
