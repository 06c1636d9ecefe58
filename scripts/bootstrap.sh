#!/bin/sh
# Brings in Bun and the dependencies of bun.lock, whatever the machine has: a Bun on the PATH, or npm alone.
# Afterwards node_modules/.bin/bun runs. Cost: one download of about 100 MB the first time.
set -eu
cd "$(dirname "$0")/.."

wanted=$(sed -n 's/.*"bun": "\([0-9][0-9.]*\)",*$/\1/p' package.json | head -n 1)

# True if $1 is a Bun that runs here and is new enough to read our bun.lock (1.4 or later).
usable() {
  version=$("$1" --version 2>/dev/null) || return 1
  major=${version%%.*}
  rest=${version#*.}
  minor=${rest%%.*}
  case "$major$minor" in *[!0-9]* | "") return 1 ;; esac
  [ "$major" -gt 1 ] || { [ "$major" -eq 1 ] && [ "$minor" -ge 4 ]; }
}

# The `bun` package is a placeholder until its install script has put the binary in place, and npm 11 and later
# skip install scripts: so run that script ourselves where it is needed.
complete() {
  "$1/.bin/bun" --version >/dev/null 2>&1 && return 0
  if command -v node >/dev/null 2>&1; then
    (cd "$1/bun" && node install.js)
  else
    (cd "$1/bun" && "$bun" install.js)
  fi
}

if usable node_modules/.bin/bun; then
  bun=$PWD/node_modules/.bin/bun
elif command -v bun >/dev/null 2>&1 && usable bun; then
  bun=$(command -v bun)
elif usable .tools/node_modules/.bin/bun; then
  bun=$PWD/.tools/node_modules/.bin/bun
elif command -v npm >/dev/null 2>&1; then
  echo "deps: no Bun 1.4 or later on the PATH; npm fetches Bun $wanted into .tools/"
  # Bun alone: all other dependencies then come from bun.lock, not from what npm would choose today.
  mkdir -p .tools
  echo '{ "private": true }' >.tools/package.json
  npm install --no-package-lock --no-save --no-audit --no-fund --ignore-scripts --loglevel=error \
    --prefix .tools "bun@$wanted"
  complete .tools/node_modules
  bun=$PWD/.tools/node_modules/.bin/bun
else
  echo "deps: neither Bun (1.4 or later) nor npm is on the PATH; install one of them and run make again" >&2
  exit 1
fi

echo "deps: Bun $("$bun" --version) installs what bun.lock names into node_modules/"
"$bun" install --frozen-lockfile
complete node_modules
usable node_modules/.bin/bun || {
  echo "deps: node_modules/.bin/bun does not run on this machine" >&2
  exit 1
}
