/** What a container cannot see or write although it lies in its own /proc and /sys: docker's lists. */

/** Hidden: each tells about the host, or has been a way out of a container. */
export const MASKED_PATHS: readonly string[] = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts", // timing of key strokes, GHSA-6fw5-f8r9-fgfm
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap", // power side channel, GHSA-jq35-85cj-fj4p
];

/** Read-only: settings of the whole machine. */
export const READONLY_PATHS: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];
