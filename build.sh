#!/bin/sh
# Builds dist/diplodock, or runs the tests. Needs a shell and one of npm, curl, wget.
#   ./build.sh              makes dist/diplodock
#   ./build.sh test [PART]  check, lint, fmt, unit, fuzz, kernel, vm, e2e; or the named parts of that
set -eu
cd "$(dirname "$0")"

# The one place where Deno's version is pinned. The sum is that of the npm package's archive.
deno_version=2.9.6
sha512_x86_64=de67784ca2c2bb3b0b0e67cea02e4a37b34065ac525643209bae2f83a7e80f4d090400c2a584b6ff942a5dfce09cfe59433de22cff6f05026d120735d7a380a1

say() {
  echo "build.sh: $*" >&2
}

fail() {
  say "$*"
  exit 1
}

have() {
  command -v "$1" > /dev/null 2>&1
}

# new_enough DENO: whether it runs and is the pinned version or newer.
new_enough() {
  found=$("$1" --version 2> /dev/null | sed -n 's/^deno \([0-9.]*\).*/\1/p')
  [ -n "$found" ] || return 1
  oldest=$(printf '%s\n%s\n' "$deno_version" "$found" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)
  [ "$oldest" = "$deno_version" ]
}

# The npm package that holds nothing but the binary: it needs no install script.
platform_package() {
  case $(uname -m) in
    x86_64) echo linux-x64-glibc ;;
    aarch64) echo linux-arm64-glibc ;;
    *) fail "Cannot install Deno on $(uname -m): it exists for x86_64 and aarch64" ;;
  esac
}

# Each of these leaves .deno/bin/deno, or fails and leaves the next one its turn.
from_npm() {
  have npm || return 1
  say "installing Deno $deno_version with npm into .deno"
  npm install --prefix .deno --no-save --no-audit --no-fund --loglevel=error \
    "@deno/$package@$deno_version" >&2 || return 1
  mv ".deno/node_modules/@deno/$package/deno" .deno/bin/deno
}

download() {
  if have curl; then curl -fsSL "$1"; elif have wget; then wget -qO- "$1"; else return 1; fi
}

from_npm_archive() {
  registry=${npm_config_registry:-${NPM_CONFIG_REGISTRY:-https://registry.npmjs.org}}
  have tar && { have curl || have wget; } || return 1
  say "downloading Deno $deno_version from $registry into .deno"
  download "${registry%/}/@deno/$package/-/$package-$deno_version.tgz" > .deno/deno.tgz || return 1
  if [ "$package" = linux-x64-glibc ]; then
    echo "$sha512_x86_64  .deno/deno.tgz" | sha512sum -c - > /dev/null || return 1
  fi
  tar -xzf .deno/deno.tgz -C .deno package/deno || return 1
  rm .deno/deno.tgz
  mv .deno/package/deno .deno/bin/deno
}

from_install_script() {
  have curl || have wget || return 1
  say "installing Deno $deno_version with https://deno.land/install.sh into .deno"
  download https://deno.land/install.sh > .deno/install.sh || return 1
  DENO_INSTALL=$PWD/.deno sh .deno/install.sh --no-modify-path "v$deno_version" >&2 < /dev/null
}

apt_install() {
  have apt-get && [ "$(id -u)" -eq 0 ] || return 1
  say "installing with apt-get: $*"
  { [ -n "$(ls /var/lib/apt/lists 2> /dev/null)" ] || apt-get update -qq >&2; } &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" \
      < /dev/null > /dev/null
}

install_deno() {
  package=$(platform_package)
  mkdir -p .deno/bin
  from_npm || from_npm_archive || from_install_script ||
    { apt_install npm ca-certificates && from_npm; } ||
    fail "Cannot install Deno $deno_version: need npm, or curl, or wget (Debian: apt-get install npm)"
  new_enough .deno/bin/deno || fail "Cannot run .deno/bin/deno: is this a glibc system?"
}

find_deno() {
  if have deno && new_enough deno; then
    deno=$(command -v deno)
    return
  fi
  new_enough .deno/bin/deno || install_deno
  deno=$PWD/.deno/bin/deno
}

# Makes dist/diplodock; the npm packages are those of the lock file.
build() {
  [ ! -f deno.lock ] || "$deno" install --quiet --frozen
  "$deno" run --quiet --allow-all build/bundle.ts
  "$deno" run --quiet --allow-all build/package.ts
}

find_deno
export DENO_NO_UPDATE_CHECK=1
case ${1:-build} in
  build) build ;;
  test)
    shift
    case ${*:-e2e} in *e2e* | *vm*) build ;; esac
    exec "$deno" run --quiet --allow-all tests/run.ts "$@"
    ;;
  *) fail "Cannot do \"$1\": want nothing, or: test [check|lint|fmt|unit|fuzz|kernel|vm|e2e]..." ;;
esac
