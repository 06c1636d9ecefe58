#!/bin/sh
# Builds c/bancos.c with a system compiler: native.sh OUTPUT [COMPILER].
# Without COMPILER: the first of cc, gcc, clang. No compiler is not an error, since Bun's own TinyCC then compiles
# the same file when a store is first opened.
set -eu
cd "$(dirname "$0")/.."
output=$1
compiler=${2:-}

if [ "$(uname -s)" != Linux ]; then
  echo "build: the native library is built on Linux only; here Bun's TinyCC compiles c/bancos.c at first open"
  exit 0
fi
if [ ! -f c/bancos.c ]; then
  echo "build: there is no c/bancos.c" >&2
  exit 1
fi
if [ -z "$compiler" ]; then
  for candidate in cc gcc clang; do
    if command -v "$candidate" >/dev/null 2>&1; then
      compiler=$candidate
      break
    fi
  done
fi
if [ -z "$compiler" ]; then
  rm -f "$output" # a library of an older source would be loaded in its place
  echo "build: no C compiler (cc, gcc, clang): nothing to build; Bun's TinyCC compiles c/bancos.c at first open"
  exit 0
fi

# -fno-stack-protector and -mno-outline-atomics: what some distributions switch on needs symbols of libc or libgcc.
# --no-undefined: the library must load under glibc and musl alike, so it may need no symbol at all.
flags="-std=gnu11 -O2 -Wall -Wextra -Werror -ffreestanding -nostdlib -fPIC -shared -fno-stack-protector"
case "$("$compiler" -dumpmachine)" in aarch64*) flags="$flags -mno-outline-atomics" ;; esac
link="-Wl,--no-undefined -Wl,-z,noexecstack -Wl,-z,relro -Wl,-z,now -Wl,--build-id=none -Wl,-s"

mkdir -p "$(dirname "$output")"
echo "build: $compiler c/bancos.c -> $output"
# Renamed into place, so that a process that has the old library mapped keeps it whole.
# shellcheck disable=SC2086 # the flags are words
"$compiler" $flags $link -o "$output.$$" c/bancos.c || {
  rm -f "$output.$$"
  exit 1
}
mv -f "$output.$$" "$output"
