#!/bin/sh
# Runs libFuzzer targets on their corpora for a bounded time each; prints TAP.
# usage: tests/fuzz/run.sh FOLDER SECONDS NAME...
folder=$1
seconds=$2
shift 2
here=$(dirname "$0")
for name in "$@"; do
    work=$folder/work-$name
    mkdir -p "$work"
    corpus=$here/corpus/$name
    [ -d "$corpus" ] || corpus=
    # New inputs go to the work folder; a crash leaves its input there.
    if "$folder/$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$work/crash-" "$work" $corpus > "$folder/$name.log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/$name.log")
        echo "ok - $name ($runs inputs in $seconds s)"
    else
        echo "not ok - $name"
        tail -n 30 "$folder/$name.log" | sed 's/^/# /'
    fi
done
exit 0
