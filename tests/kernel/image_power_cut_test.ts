/**
 * The list of images after a power cut: a copy of a disk that is being written to is what such a
 * disk would be. With noauto_da_alloc names of new files reach it before their bytes, as with other
 * file systems than ext4.
 */
import { assert, assertEquals } from "@std/assert";
import { parseDigest } from "../../src/image/digest.ts";
import { putNames, readEntries } from "../../src/image/index_file.ts";
import { Store } from "../../src/image/store.ts";
import { hasProgram, isRoot, skipUnless } from "../lib/skip.ts";

const DISK_BYTES = 24 << 20;
const CUTS = 6;

function run(command: string, ...args: string[]): boolean {
  return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
}

/** A disk of its own that is mounted until disposed of. */
function mountDisk(top: string, image: string, name: string): string & Disposable | undefined {
  const directory = `${top}/${name}`;
  Deno.mkdirSync(directory);
  if (!run("mount", "-t", "ext4", "-o", "loop,commit=1,noauto_da_alloc", image, directory)) {
    return undefined;
  }
  return Object.assign(directory, {
    [Symbol.dispose]() {
      run("umount", directory);
      Deno.removeSync(directory);
    },
  });
}

/** Whether this machine mounts an ext4 file system from a file. */
function canMount(): boolean {
  if (!isRoot() || !["mkfs.ext4", "mount"].every(hasProgram)) return false;
  const top = Deno.makeTempDirSync();
  try {
    const image = newDisk(top);
    using disk = mountDisk(top, image, "disk");
    return disk !== undefined;
  } finally {
    Deno.removeSync(top, { recursive: true });
  }
}

function newDisk(top: string): string {
  const image = `${top}/image`;
  Deno.writeFileSync(image, new Uint8Array());
  Deno.truncateSync(image, DISK_BYTES);
  run("mkfs.ext4", "-q", "-F", image);
  return image;
}

/** The disk at one moment: read twice, until the kernel has written nothing in between. */
function stillImage(image: string): Uint8Array<ArrayBuffer> {
  for (let last = Deno.readFileSync(image);;) {
    const next = Deno.readFileSync(image);
    const [a, b] = [last, next].map(({ buffer }) => new BigUint64Array(buffer));
    if (a.every((word, i) => word === b[i])) return next;
    last = next;
  }
}

const id = parseDigest(`sha256:${"ab".repeat(32)}`)!;
const manifest = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: id, size: 3 };

Deno.test({
  name: "the list of images is whole after a power cut, as it was at some moment before",
  ...skipUnless(canMount(), "needs root, mkfs.ext4 and loop devices"),
  fn: async () => {
    const top = Deno.makeTempDirSync();
    try {
      const image = newDisk(top);
      using disk = mountDisk(top, image, "disk")!;
      const store = new Store(`${disk}/root`);
      putNames(store, id, manifest, ["name-0"]);
      assert(run("sync", "-f", store.index));
      let count = 1;
      for (let cut = 0; cut < CUTS; cut++) {
        const until = performance.now() + 200 + Math.random() * 800;
        while (performance.now() < until) {
          putNames(store, id, manifest, [`name-${count++}`]);
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
        }
        Deno.writeFileSync(`${top}/copy`, stillImage(image));
        using copy = mountDisk(top, `${top}/copy`, "copied")!;
        const names = readEntries(new Store(`${copy}/root`)).map(({ name }) => name);
        assertEquals(names, names.map((_, i) => `name-${i}`));
        assert(names.length > 0 && names.length <= count, `${names.length} of ${count}`);
      }
    } finally {
      Deno.removeSync(top, { recursive: true });
    }
  },
});
