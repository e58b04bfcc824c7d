#!/bin/bash
# Descriptors, memory and processes run out: the first call fails, then the second, and so on, until a run has no failure
# left. Each run must end by itself, with right results or with an error that is a sentence, and must leave nothing.
. "$(dirname "$0")/lib.sh"

CC=${CC:-cc}
if ! $CC -shared -fPIC -O1 -o "$T/countdown.so" "$MPL_SRC/tests/fault/countdown.c" -ldl 2> err; then
    comment err
    echo "1..0 # SKIP no compiler"
    exit 0
fi

for in in main agent held; do
    for kind in fds processes memory; do
        n_runs=0 n_fine=0 bad=
        at=1
        while :; do
            rm -f fired
            run timeout 10 env LD_PRELOAD="$T/countdown.so" MPL_FAULT_KIND=$kind MPL_FAULT_AT=$at MPL_FAULT_IN=$in \
                MPL_FAULT_LOG="$T/fired" "$cases/fault_cases" --sub countdown
            n_runs=$((n_runs + 1))
            [ "$code" -eq 0 ] && n_fine=$((n_fine + 1))
            # What fails before main is reached, in the loader or a constructor, is not ours.
            if [ "$code" -gt 1 ]; then
                bad="$bad $at ($(head -n 1 fired 2> /dev/null | cut -d ' ' -f 1): code $code)"
                echo "# $kind in $in, call $at: code $code: $(tail -n 1 err)"
            fi
            if ! wait_until 2 none_marked; then
                bad="$bad $at (left $(marked | wc -l))"
                kill_marked
            fi
            [ -e fired ] || break
            at=$((at + 1 + at / 20))
            [ "$n_runs" -lt 100 ] || break
        done
        if [ -z "$bad" ]; then
            ok "no_more_${kind}_in_$in"
        else
            not_ok "no_more_${kind}_in_$in" "calls$bad"
        fi
        echo "# $n_runs runs, $n_fine of them without an error"
    done
done

finish
