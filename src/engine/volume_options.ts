/** The `o=` of a volume, as mount(2) wants it: flags, and the rest for the file system. */
import {
  MS_BIND,
  MS_DIRSYNC,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_REC,
  MS_RELATIME,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
} from "../../ffi/constants.ts";

const FLAGS: Record<string, [flag: number, on: boolean]> = {
  bind: [MS_BIND, true],
  rbind: [MS_BIND | MS_REC, true],
  ro: [MS_RDONLY, true],
  rw: [MS_RDONLY, false],
  nosuid: [MS_NOSUID, true],
  suid: [MS_NOSUID, false],
  nodev: [MS_NODEV, true],
  dev: [MS_NODEV, false],
  noexec: [MS_NOEXEC, true],
  exec: [MS_NOEXEC, false],
  sync: [MS_SYNCHRONOUS, true],
  async: [MS_SYNCHRONOUS, false],
  dirsync: [MS_DIRSYNC, true],
  noatime: [MS_NOATIME, true],
  atime: [MS_NOATIME, false],
  nodiratime: [MS_NODIRATIME, true],
  diratime: [MS_NODIRATIME, false],
  relatime: [MS_RELATIME, true],
  norelatime: [MS_RELATIME, false],
  strictatime: [MS_STRICTATIME, true],
};

/** Sorts the words of `o=`; `addr=` of nfs and cifs stays a word for the file system. */
export function parseVolumeOptions(o: string): { flags: number; data: string } {
  let flags = 0;
  const data: string[] = [];
  for (const word of o.split(",")) {
    const known = Object.hasOwn(FLAGS, word) ? FLAGS[word] : undefined;
    if (known !== undefined) flags = known[1] ? flags | known[0] : flags & ~known[0];
    else if (word !== "" && word !== "defaults") data.push(word);
  }
  return { flags, data: data.join(",") };
}
