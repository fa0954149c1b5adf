/** Error numbers by name, and the one error a failed kernel call becomes. Source: errno(3). */

const NAMES =
  ("EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT " +
    "ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG " +
    "ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY " +
    "ELOOP - ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR " +
    "EXFULL ENOANO EBADRQC EBADSLT - EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE " +
    "ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG " +
    "ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK " +
    "EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP " +
    "EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET " +
    "ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT " +
    "ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL " +
    "EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED " +
    "EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL").split(" ");

/** The name of an error number, e.g. 2 -> "ENOENT"; an unknown one as "errno 999". */
export function errnoName(errno: number): string {
  const name = NAMES[errno - 1];
  return name === undefined || name === "-" ? `errno ${errno}` : name;
}

export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const E2BIG = 7;
export const ENOEXEC = 8;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const EBUSY = 16;
export const EEXIST = 17;
export const EXDEV = 18;
export const ENODEV = 19;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
const ENFILE = 23;
const EMFILE = 24;
export const ETXTBSY = 26;
export const ENOSPC = 28;
export const EROFS = 30;
export const EPIPE = 32;
export const ERANGE = 34;
const ENAMETOOLONG = 36;
export const ENOSYS = 38;
export const ENOTEMPTY = 39;
export const ELOOP = 40;
export const ENODATA = 61;
export const EBADMSG = 74;
export const ERESTART = 85;
export const EMSGSIZE = 90;
export const ENOBUFS = 105;
export const EOPNOTSUPP = 95;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;

/** What an errno means to a user, in the words docker's users know from strerror(3). */
const TEXTS: Record<number, string> = {
  [EPERM]: "operation not permitted",
  [ENOENT]: "no such file or directory",
  [ESRCH]: "no such process",
  [EIO]: "input/output error",
  [E2BIG]: "argument list too long",
  [ENOEXEC]: "exec format error",
  [EACCES]: "permission denied",
  [EBUSY]: "device or resource busy",
  [EEXIST]: "file exists",
  [ENODEV]: "no such device",
  [ENOTDIR]: "not a directory",
  [EISDIR]: "is a directory",
  [EINVAL]: "invalid argument",
  [EMFILE]: "too many open files",
  [ENFILE]: "too many open files in system",
  [ENOMEM]: "cannot allocate memory",
  [EAGAIN]: "resource temporarily unavailable",
  [ETXTBSY]: "text file busy",
  [ENOSPC]: "no space left on device",
  [EROFS]: "read-only file system",
  [ENAMETOOLONG]: "file name too long",
  [ENOSYS]: "function not implemented",
  [ENOTEMPTY]: "directory not empty",
  [EOPNOTSUPP]: "operation not supported",
  [ELOOP]: "too many levels of symbolic links",
};

/** strerror(3) in lower case, as Go and so docker print it: 13 -> "permission denied". */
export function errnoText(errno: number): string {
  return TEXTS[errno] ?? errnoName(errno);
}

/**
 * A kernel call that failed. The message is "Cannot <goal>: <call>: <ERRNO>"; `goal` is written
 * where the call is made, so that it says what the user loses.
 */
export class SyscallError extends Error {
  override name = "SyscallError";
  constructor(
    readonly call: string,
    readonly errno: number,
    readonly goal: string,
    readonly hint?: string,
  ) {
    super(`Cannot ${goal}: ${call}: ${errnoName(errno)}${hint === undefined ? "" : ` (${hint})`}`);
  }
}
