/** A tree with everything that a file system of ours can hold. */
import { sys } from "../../ffi/libc.ts";
import { cBytes } from "../../src/image/byte_string.ts";
import { assertEquals } from "./assert.ts";
import { peer } from "./image_box.ts";

/** What makes GNU tar keep extended attributes. */
export const XATTRS = ["--xattrs", "--xattrs-include=*"];

/** Makes a tree with everything a file system of ours can hold, by the tools of the system. */
export async function makeTree(root: string): Promise<void> {
  await peer("sh", "-ec", SCRIPT, root);
  const bytes = new Uint8Array([1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  const attributes: [path: string, name: string, value: Uint8Array<ArrayBuffer>][] = [
    ["bin/cap", "security.capability", bytes],
    ["bin/cap", "user.note", cBytes("ünï\n=x")],
    ["dir", "user.on.directory", new Uint8Array(3000).fill(7)],
    ["dir", "trusted.kept", cBytes("t")],
  ];
  for (const [path, name, value] of attributes) {
    const result = sys(
      "lsetxattr",
      cBytes(`${root}/${path}`),
      cBytes(name),
      value,
      value.length,
      0,
    );
    assertEquals(result, 0, `${name} of ${path}`);
  }
}

const SCRIPT = `
cd "$0"
umask 022
mkdir -p bin dir/sub dir/closed empty tmp "$(printf 'd\\377ir')"
echo binary >bin/su; chmod 4755 bin/su
echo x >bin/cap
ln bin/su bin/hard; ln bin/su dir/hard2
echo text >dir/file; chown 3000000:4000000 dir/file; touch -d @1600000000.123456789 dir/file
echo old >dir/old; touch -d @-86400.5 dir/old
echo late >dir/late; touch -d @4102444800 dir/late
ln -s ../bin/su dir/link; chown -h 5:6 dir/link; touch -h -d @1500000000.000000001 dir/link
ln -s /nowhere/at/all dangling
ln -s "$(printf 't%.0s' $(seq 1 300))" longlink
mknod dir/null c 1 3; mknod dir/sda b 8 0; mknod dir/big c 300 70000; mkfifo dir/pipe
chmod 666 dir/null
echo x >"$(printf 'n\\377\\376me')"; echo y >'ünïcödé 名前'; echo z >'with
newline'
long=$(printf 'n%.0s' $(seq 1 250))
deep=dir/sub; for i in 1 2 3 4 5 6; do deep=$deep/$long; mkdir "$deep"; done; echo deep >"$deep/$long"
truncate -s 40M sparse; printf start | dd of=sparse conv=notrunc status=none
printf middle | dd of=sparse bs=1 seek=10000000 conv=notrunc status=none
for i in $(seq 1 60); do printf piece | dd of=many bs=1 seek=$((i * 300000)) conv=notrunc status=none; done
truncate -s 5M hole
: >emptyfile
chmod 1777 tmp; chmod 2775 dir; chmod 0 dir/closed; echo in >dir/closed/inside
touch -d @1650000000.25 dir empty
`;
