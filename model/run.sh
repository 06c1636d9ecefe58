#!/bin/sh
# Runs the configurations of configs.txt and prints a table; fails if any result is not the expected one.
# Usage: run.sh quick|full [directory of the programs] [seconds each]
size=${1:-quick}
here=$(dirname "$0")
bin=${2:-$here/build}
seconds=${3:-7200}
unexpected=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT
echo "| configuration | result | seconds |"
echo "|---|---|---|"
while read -r when expected program words; do
  case $when in quick) ;; full) [ "$size" = full ] || continue ;; *) continue ;; esac
  start=$(date +%s)
  # shellcheck disable=SC2086 # the words are separate arguments
  nice -n 10 timeout "$seconds" "$bin/$program" $words >"$out" 2>&1 </dev/null
  code=$?
  took=$(($(date +%s) - start))
  last=$(tail -n 1 "$out" | sed 's/^[^:]*: //')
  case $expected$code in
  ok0) case $last in *ok) note="" ;; *) note=" **unexpected**" ;; esac ;;
  bad1)
    note=""
    last="found: $(grep -m 1 VIOLATION "$out" | sed 's/^VIOLATION[: ]*//')"
    ;;
  *124) note=" **not finished**" last="stopped after $seconds s" ;;
  *) note=" **unexpected**" ;;
  esac
  [ -z "$note" ] || unexpected=$((unexpected + 1))
  echo "| \`$program $words\` | $last$note | $took |"
done <"$here/configs.txt"
if [ $unexpected -ne 0 ]; then
  echo "$unexpected unexpected"
  exit 1
fi
echo "all as expected"
