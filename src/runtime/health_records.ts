/**
 * The file that a container's health program keeps: five records of one size, the oldest one is
 * overwritten. A record, little endian, 8 bytes each:
 *
 *     0 number, from 1 | 8 start: seconds, nanoseconds | 24 end: the same | 40 status of wait(2)
 *     48 1 if the time was up | 56 failures in a row | 64 health | 72 length | 80 output
 */
import { waitedExitCode } from "../base/wait_status.ts";

/** What of a check's output is kept. */
export const OUTPUT_BYTES = 4096;
/** Where the output starts. */
export const OUTPUT_AT = 80;
/** The size of a record. */
export const RECORD_SIZE = OUTPUT_AT + OUTPUT_BYTES;
/** So many are kept. */
export const RECORD_COUNT = 5;
/** The health in a record. */
export const STATUS = { starting: 0, healthy: 1, unhealthy: 2 } as const;

/** One check that was made. */
export interface HealthRecord {
  readonly number: bigint;
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** 0-255; 128 plus the signal; -1 when the time was up. */
  readonly exitCode: number;
  readonly failingStreak: number;
  readonly status: keyof typeof STATUS;
  readonly output: string;
}

/** The records in a file, oldest first. */
export function parseHealthRecords(bytes: Uint8Array<ArrayBuffer>): HealthRecord[] {
  const records: HealthRecord[] = [];
  for (let at = 0; at + RECORD_SIZE <= bytes.length; at += RECORD_SIZE) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, RECORD_SIZE);
    const record = parseRecord(view);
    if (record !== undefined) records.push(record);
  }
  return records.sort((a, b) => a.number < b.number ? -1 : 1);
}

function parseRecord(view: DataView<ArrayBuffer>): HealthRecord | undefined {
  const word = (at: number) => view.getBigUint64(at, true);
  if (word(0) === 0n) return undefined;
  const time = (at: number) => word(at) * 1_000_000_000n + word(at + 8);
  const statuses = Object.keys(STATUS) as (keyof typeof STATUS)[];
  const length = Math.min(Number(word(72)), OUTPUT_BYTES);
  return {
    number: word(0),
    startNs: time(8),
    endNs: time(24),
    exitCode: word(48) === 0n ? waitedExitCode(Number(word(40))) : -1,
    failingStreak: Number(word(56)),
    status: statuses[Number(word(64))] ?? "starting",
    output: new TextDecoder().decode(
      new Uint8Array(view.buffer, view.byteOffset + OUTPUT_AT, length),
    ),
  };
}
