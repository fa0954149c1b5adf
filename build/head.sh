#!/bin/sh
# Diplodock in one file: this head, the bundled program, the Deno that runs it. The first start
# unpacks both into a folder named by their hash; every start then runs them from there.
id=@ID@
DIPLODOCK_SELF=$0
DENO_NO_UPDATE_CHECK=1
# A command reads its own chunk only; Deno would look into those of all commands otherwise.
DENO_UNSTABLE_LAZY_DYNAMIC_IMPORTS=1
# Fewer page faults at start-up: malloc takes large steps, in huge pages where there are any.
GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1:glibc.malloc.top_pad=8388608
export DIPLODOCK_SELF DENO_NO_UPDATE_CHECK DENO_UNSTABLE_LAZY_DYNAMIC_IMPORTS GLIBC_TUNABLES
# A short command has flags of its own, and so V8 keeps code of its own for it.
flags='@FLAGS@' code=@CODE@
case $0:${1:-} in
  *-oci:* | *:@QUICK_COMMANDS@) flags='@QUICK_FLAGS@' code=@QUICK_CODE@ ;;
esac
# Engines call an OCI runtime without HOME, and podman, when an ordinary user runs it, as root of a
# user namespace: whose home it is says the machine's list of users.
home_of_user() {
  while read -r inside outside count; do
    [ "$uid" -ge "$inside" ] && [ $((uid - inside)) -lt "$count" ] || continue
    of=$((outside + uid - inside))
    { getent passwd "$of" || grep "^[^:]*:[^:]*:$of:" /etc/passwd; } 2> /dev/null | {
      IFS=: read -r name password number group text path rest && echo "$path"
    }
    return
  done < /proc/self/uid_map
}

cache=${XDG_CACHE_HOME:-} path=${HOME:-} uid=
case $cache:$path in
  /* | *:?*) ;;
  *) uid=$(id -u) && path=$(home_of_user) ;;
esac
case $cache in
  /*) ;;
  *) [ -n "$path" ] && [ -O "$path" ] && cache=$path/.cache || cache= ;;
esac
[ -z "$cache" ] || [ -O "$cache" ] || [ ! -e "$cache" ] || cache=

# Only root can write under /var/cache, so what is there may be run by anyone. What V8 compiled is
# kept in DENO_DIR (6 ms less at each start), where only its owner writes.
home=/var/cache/diplodock/$id
if [ -x "$home/diplodock" ]; then
  DENO_DIR=$home/$code
  [ -w "$home" ] || [ -z "$cache" ] || DENO_DIR=$cache/diplodock/$id/$code
  export DENO_DIR
  exec "$home/diplodock" $flags "$home/main.js" "$@"
fi

fail() {
  echo "diplodock: $1" >&2
  exit 125
}

# Nobody else can put a file or a link into folders that are our own.
start_if_own() {
  if [ -O "$1" ] && [ -O "$1/$id" ] && [ -O "$1/$id/diplodock" ] && [ -x "$1/$id/diplodock" ]; then
    home=$1/$id
    shift
    export DENO_DIR="$home/$code"
    exec "$home/diplodock" $flags "$home/main.js" "$@"
  fi
}

# No link, our own, closed to others, under root's sticky folder: nobody else can replace it.
own_under_tmp() {
  case $(ls -ldn /tmp) in d????????t*\ 0\ *) ;; *) return 1 ;; esac
  case $(ls -ldn "$1" 2> /dev/null) in drwx------*\ "$uid"\ *) ;; *) return 1 ;; esac
}

[ -n "$cache" ] && start_if_own "$cache/diplodock" "$@"
[ -n "$uid" ] || uid=$(id -u) || fail "Cannot unpack: no program \"id\""
run=${XDG_RUNTIME_DIR:-}
case $run in /*) ;; *) run=/run/user/$uid ;; esac
[ -O "$run" ] && start_if_own "$run/diplodock-cache" "$@"
tmp=/tmp/diplodock-$uid
own_under_tmp "$tmp" && start_if_own "$tmp" "$@"

# part OFFSET SIZE NAME MODE: copies one file out of this one.
part() {
  # Where SIGPIPE is ignored, as under some engines, tail would complain.
  tail -c "+$1" "$DIPLODOCK_SELF" 2> /dev/null | head -c "$2" > "$new/$3" || return 1
  [ "$(wc -c < "$new/$3")" -eq "$2" ] || return 1
  chmod "$4" "$new/$3" || return 1
}

# unpack FOLDER: fills FOLDER/$id. Renames make the files appear whole, and after a crash too; the
# program comes last, so whoever sees it sees all files.
unpack() (
  umask 022
  home=$1/$id
  mkdir -p "$home" 2> /dev/null && [ -O "$1" ] && [ -O "$home" ] || return 1
  chmod go-w "$1" "$home" || return 1
  new=$(mktemp -d "$home/.new.XXXXXX" 2> /dev/null) || return 1
  trap 'rm -rf "$new"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' HUP TERM
  echo '#!/bin/sh' > "$new/probe" && chmod 755 "$new/probe" && [ -x "$new/probe" ] || return 1
  # One of several first starts unpacks, the others wait for it. Without flock all unpack: same
  # bytes, renamed into place, so that is only slower.
  if command -v flock > /dev/null 2>&1; then
    exec 9> "$home/.lock" && flock 9
    [ -x "$home/diplodock" ] && return 0
  fi
  part @PROGRAM@ diplodock 755 && part @UNPACK@ unpack.ts 644 && mkdir "$new/files" || return 1
  DENO_DIR=$new/code "$new/diplodock" $flags "$new/unpack.ts" "$DIPLODOCK_SELF" @FILES@ \
    "$new/files"
  case $? in
    0) ;;
    126 | 127) return 3 ;; # what runs it is missing: another place would not help
    *) return 1 ;;
  esac
  sync -f "$new" 2> /dev/null || sync
  mv -f "$new/files/"* "$home/" && mv -f "$new/diplodock" "$home/diplodock" || return 1
  # Versions that nobody started for two months, and what a killed start left behind.
  find "$1" -mindepth 2 -maxdepth 2 -name diplodock -atime +60 -mtime +60 2> /dev/null |
    while read -r old; do rm -rf "${old%/diplodock}"; done
  find "$home" -maxdepth 1 -name '.new.*' -mmin +60 -exec rm -rf {} + 2> /dev/null
  return 0
)

tried=
try() {
  tried="$tried $1"
  unpack "$1"
  case $? in
    0) return 0 ;;
    3) fail "Cannot run: this is not a Linux with glibc" ;;
    *) return 1 ;;
  esac
}

if [ "$uid" -eq 0 ] && try /var/cache/diplodock; then
  home=/var/cache/diplodock/$id
  export DENO_DIR="$home/$code"
  exec "$home/diplodock" $flags "$home/main.js" "$@"
fi
if [ -n "$cache" ]; then
  [ -d "$cache" ] || (umask 077 && mkdir -p "$cache" 2> /dev/null)
  [ -O "$cache" ] && try "$cache/diplodock" && start_if_own "$cache/diplodock" "$@"
fi
[ -O "$run" ] && try "$run/diplodock-cache" && start_if_own "$run/diplodock-cache" "$@"
mkdir -m 700 "$tmp" 2> /dev/null
own_under_tmp "$tmp" && try "$tmp" && start_if_own "$tmp" "$@"
# Somebody else took that name, or there is no sticky /tmp: a folder for this one start, which
# need not outlive a crash of the machine.
sync() { :; }
once=$(mktemp -d 2> /dev/null) && if try "$once"; then
  trap '' INT
  export DENO_DIR="$once/$id/$code"
  "$once/$id/diplodock" $flags "$once/$id/main.js" "$@"
  code=$?
  rm -rf "$once"
  exit "$code"
fi
rm -rf "${once:-/nonexistent}"
fail "Cannot unpack: no place for 100 MB of program (tried:$tried). Set XDG_CACHE_HOME to a folder of yours"
