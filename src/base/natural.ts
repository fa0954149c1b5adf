/** The order in which people count: "v2" before "v10". */

/** Compares like docker's lists of volumes: runs of digits by their value. */
export function compareNatural(a: string, b: string): number {
  const left = a.match(/\d+|\D+/g) ?? [], right = b.match(/\d+|\D+/g) ?? [];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const order = compareParts(left[i], right[i]);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function compareParts(a: string, b: string): number {
  if (a === b) return 0;
  if (!/^\d/.test(a) || !/^\d/.test(b)) return a < b ? -1 : 1;
  const x = a.replace(/^0+/, ""), y = b.replace(/^0+/, "");
  // By length first: the numbers may be longer than a JavaScript number holds.
  return x.length - y.length || (x < y ? -1 : x > y ? 1 : a.length - b.length);
}
