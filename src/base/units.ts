const POWERS = "kmgtp";

/**
 * Parses a size as docker does (go-units RAMInBytes): a decimal number, at most one blank, a
 * unit out of k m g t p with an optional `b` or `ib`, in any case. All units are powers of 1024.
 * Returns whole bytes. Throws an Error with docker's text, e.g. `invalid size: 'abc'`.
 */
export function parseSize(text: string): number {
  let end = text.length;
  while (end > 0 && !/[0-9. ]/.test(text[end - 1])) end--;
  if (end === 0) throw new Error(`invalid size: '${text}'`);
  const number = text[end - 1] === " " ? text.slice(0, end - 1) : text.slice(0, end);
  const suffix = text.slice(end).toLowerCase();
  if (!/^\+?(\d+\.?\d*|\.\d+)$/.test(number)) {
    if (/^-(\d+\.?\d*|\.\d+)$/.test(number)) throw new Error(`invalid size: '${text}'`);
    throw new Error(`strconv.ParseFloat: parsing ${JSON.stringify(number)}: invalid syntax`);
  }
  const bytes = Math.trunc(Number(number) * 1024 ** powerOf(suffix));
  // More than the kernel counts; docker would go on with a negative number.
  if (bytes >= 2 ** 63) throw new Error(`invalid size: '${text}'`);
  return bytes;
}

function powerOf(suffix: string): number {
  if (suffix === "" || suffix === "b") return 0;
  const power = POWERS.indexOf(suffix[0]) + 1;
  if (power === 0 || !/^.(b|ib)?$/.test(suffix)) throw new Error(`invalid suffix: '${suffix}'`);
  return power;
}

/** `%.<digits>g` of Go: that many significant digits, no trailing zeros. */
function significant(value: number, digits: number): string {
  const exponent = Number(value.toExponential(digits - 1).split("e")[1]);
  if (value !== 0 && (exponent < -4 || exponent >= digits)) {
    const [mantissa, power] = value.toExponential(digits - 1).split("e");
    const short = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
    const sign = power[0] === "-" ? "-" : "+";
    return `${short}e${sign}${power.replace(/^[+-]/, "").padStart(2, "0")}`;
  }
  const fixed = value.toPrecision(digits);
  return fixed.includes(".") ? fixed.replace(/\.?0+$/, "") : fixed;
}

function scaled(bytes: number, base: number, units: readonly string[], digits: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= base && unit < units.length - 1) {
    value /= base;
    unit++;
  }
  return significant(value, digits) + units[unit];
}

const DECIMAL = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/** Bytes for tables, by powers of 1000, three digits unless told otherwise: 1.98MB, 0B. */
export function formatSize(bytes: number, digits = 3): string {
  return scaled(bytes, 1000, DECIMAL, digits);
}

/** Bytes of memory, by powers of 1024, four digits: 780KiB, 23.54GiB. */
export function formatMemory(bytes: number): string {
  return scaled(bytes, 1024, BINARY, 4);
}
