/**
 * Writes the bundle's files: run by head.sh, with the Deno that it has just unpacked, because a
 * shell starts six programs for each of some three hundred. `unpack.ts FILE OFFSET FOLDER`: at
 * OFFSET of FILE is a line of JSON, [name, bytes] of each, and behind it one after the other.
 */
const [file, offset, folder] = Deno.args;
try {
  using from = Deno.openSync(file);
  from.seekSync(Number(offset), Deno.SeekMode.Start);
  const rest = new Uint8Array(Deno.statSync(file).size - Number(offset));
  for (let at = 0; at < rest.length;) {
    const count = from.readSync(rest.subarray(at));
    if (count === null) throw new Error(`Cannot unpack ${file}: it is cut short`);
    at += count;
  }
  const line = rest.indexOf(10);
  const names: [name: string, bytes: number][] = JSON.parse(
    new TextDecoder().decode(rest.subarray(0, line)),
  );
  let at = line + 1;
  for (const [name, bytes] of names) {
    if (at + bytes > rest.length) throw new Error(`Cannot unpack ${file}: it is cut short`);
    Deno.writeFileSync(`${folder}/${name}`, rest.subarray(at, at + bytes), { mode: 0o644 });
    at += bytes;
  }
} catch {
  // A full disk: head.sh goes on to its next place, and says so when there is none.
  Deno.exit(1);
}
