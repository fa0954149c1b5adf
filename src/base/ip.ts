/** IP and MAC addresses as text, by the grammar of Go's net package (no zones). */

const OCTET = /^(0|[1-9]\d{0,2})$/;

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  if (!parts.every((part) => OCTET.test(part) && Number(part) <= 255)) return undefined;
  return Uint8Array.from(parts, Number);
}

/** The 16-bit groups of one side of `::`; a dotted IPv4 address may stand last. */
function parseGroups(text: string, mayEndDotted: boolean): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(parseInt(part, 16));
      continue;
    }
    const dotted = index === parts.length - 1 && mayEndDotted ? parseIpv4(part) : undefined;
    if (dotted === undefined) return undefined;
    groups.push(dotted[0] << 8 | dotted[1], dotted[2] << 8 | dotted[3]);
  }
  return groups;
}

/** Parses an address: 4 bytes for IPv4, 16 for IPv6, undefined for anything else. */
export function parseIp(text: string): Uint8Array | undefined {
  if (!text.includes(":")) return parseIpv4(text);
  const [head, tail, more] = text.split("::");
  if (more !== undefined) return undefined;
  const left = parseGroups(head, tail === undefined);
  const right = tail === undefined ? [] : parseGroups(tail, true);
  if (left === undefined || right === undefined) return undefined;
  const missing = 8 - left.length - right.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...left, ...new Array<number>(missing).fill(0), ...right];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]));
}

/** Whether the bytes are an IPv4 address written as IPv6 (::ffff:a.b.c.d). */
function isMappedIpv4(address: Uint8Array): boolean {
  return address.length === 16 && address[10] === 255 && address[11] === 255 &&
    address.subarray(0, 10).every((byte) => byte === 0);
}

/** The canonical text of 4 or 16 bytes (RFC 5952). An IPv4-mapped address prints as IPv4. */
export function formatIp(address: Uint8Array): string {
  if (address.length === 4) return address.join(".");
  if (isMappedIpv4(address)) return address.subarray(12).join(".");
  const groups = Array.from({ length: 8 }, (_, i) => address[2 * i] << 8 | address[2 * i + 1]);
  let [start, length] = [0, 0];
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (end < 8 && groups[end] === 0) end++;
    if (end - at > length) [start, length] = [at, end - at];
  }
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/** Whether the address is the machine itself: 127.0.0.0/8 or ::1. */
export function isLoopback(address: Uint8Array): boolean {
  if (address.length === 4) return address[0] === 127;
  if (isMappedIpv4(address)) return address[12] === 127;
  return address[15] === 1 && address.subarray(0, 15).every((byte) => byte === 0);
}

/** Whether `text` is a hardware address of 6, 8 or 20 bytes, with `:`, `-` or `.` between. */
export function isMac(text: string): boolean {
  return /^[0-9a-f]{2}([:-])[0-9a-f]{2}(\1[0-9a-f]{2}){4}((\1[0-9a-f]{2}){2}|(\1[0-9a-f]{2}){14})?$/i
    .test(text) ||
    /^[0-9a-f]{4}(\.[0-9a-f]{4}){2}((\.[0-9a-f]{4}){1}|(\.[0-9a-f]{4}){7})?$/i.test(text);
}
