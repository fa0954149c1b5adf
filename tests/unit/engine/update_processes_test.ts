import { assertEquals } from "@std/assert";
import { ownShmBytes } from "../../../src/engine/update_processes.ts";

const OWN = "90 80 0:65 / /dev/shm rw,nosuid,nodev,noexec - tmpfs shm rw,mode=1777,size=65536k";
const CASES: [name: string, mountinfo: string, dev: number, want: number | undefined][] = [
  ["its own", OWN, 65, 64 << 20],
  ["one with a high number", OWN.replace("0:65", "0:300"), 0x10002c, 64 << 20],
  ["another device", OWN, 66, undefined],
  ["the machine's", OWN.replace("tmpfs shm", "tmpfs tmpfs"), 65, undefined],
  ["a directory of a tmpfs", OWN.replace("/ /dev/shm", "/deep /dev/shm"), 65, undefined],
  ["a volume", OWN.replace("tmpfs shm", "ext4 /dev/sda1"), 65, undefined],
  ["none", OWN.replace("/dev/shm", "/dev/mqueue"), 65, undefined],
];
for (const [name, mountinfo, dev, want] of CASES) {
  Deno.test(`ownShmBytes() of ${name}`, () => assertEquals(ownShmBytes(mountinfo, dev), want));
}
