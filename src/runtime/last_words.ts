/**
 * What a process that an engine's monitor watches does when execve refuses: it writes why to its
 * standard error and ends with exit code 1. The command that let it go does not fail: an engine
 * counts a container whose start fails as one that still waits.
 */
import {
  E2BIG,
  EACCES,
  EINVAL,
  EIO,
  EISDIR,
  ELOOP,
  ENOENT,
  ENOEXEC,
  ENOMEM,
  ENOTDIR,
  EPERM,
  errnoText,
  ETXTBSY,
} from "../../ffi/errno.ts";
import {
  addressIn,
  assign,
  placeIn,
  STATE,
  type Step,
  stepAddress,
  TAIL,
  textBlock,
} from "../../ffi/program.ts";

/** execve(2), "ERRORS": what a command or its interpreter can be the reason of. */
const REASONS = [
  ...[ENOENT, EACCES, ENOEXEC, ENOTDIR, EPERM, EISDIR, ELOOP, E2BIG, ENOMEM, ETXTBSY, EINVAL, EIO],
];
const STDERR = 2;
const LABEL = "last words";

/** Before execve: a failure from here on goes to `lastWords`. */
export function armLastWords(): Step[] {
  return [assign(TAIL, stepAddress(LABEL), "choose where failures go")];
}

/** Behind execve: finds the text for the error number, writes it, ends. */
export function lastWords(command: string): Step[] {
  const goal = "say why the command was not started";
  const result = placeIn(STATE, 8);
  const write = (label: string, why: string): Step[] => {
    const text = textBlock("last words", `exec ${command}: ${why}\n`);
    return [
      {
        call: "write",
        args: [STDERR, addressIn(text), text.bytes.length - 1],
        goal,
        label,
        onNegative: "next",
      },
      { call: "exit_group", args: [1], goal },
    ];
  };
  const label = (errno: number) => `${LABEL} ${errno}`;
  return [
    ...REASONS.map((errno, i): Step => ({
      call: "subtract",
      args: [result, -errno],
      goal,
      ...(i === 0 && { label: LABEL }),
      onNegative: "next",
      onZero: `@${label(errno)}`,
    })),
    ...write(`${LABEL} other`, "cannot be executed"),
    ...REASONS.flatMap((errno) => write(label(errno), errnoText(errno))),
  ];
}
