#!/bin/bash
# Where the system allows too little, or a program goes away while it is being started: a sentence, the code that says which kind, and nothing
# left. A thousand processes at once are fine.
. "$(dirname "$0")/lib.sh"

run "$launch" -q -n 1000 sh -c 'echo $MPL_RANK'
check "a_thousand_processes_all_print" [ "$(sort -n out | uniq | wc -l)-$(wc -l < out)" = 1000-1000 ]

mkfifo wait
start "$launch" -q -n 1000 sh -c 'echo up; read x < wait'
wait_until 60 n_lines out 1000
check "a_thousand_are_up" n_lines out 1000
used=0
for p in $(marked_as mplaunch) $(marked_as mpworker); do used=$((used + $(awk '/^Pss:/ { print $2 }' "/proc/$p/smaps_rollup"))); done
comment <<< "mplaunch and its agent use $used KiB"
check "in_less_than_60_MiB" eval '[ "$used" -gt 0 ] && [ "$used" -lt $((60 * 1024 * SLOW)) ]'
kill -KILL "$pid"
check "and_they_are_gone_when_mplaunch_is_killed" wait_until 5 none_marked

# limited OPTION NAME LIMIT N: mplaunch -n N under a limit: it works, or says why not.
limited () {
    local option=$1 name=$2 limit=$3 n=$4
    run bash -c "ulimit -$option $limit && exec '$launch' -q -n $n echo fine"
    if [ "$code" -eq 0 ]; then
        check "$name" n_lines out "$n"
    else
        check "$name" eval '{ [ $code -eq 125 ] || [ $code -eq 2 ]; } && grep -q "^mplaunch: \|error while loading" err && [ $(wc -l < err) -le 3 ]'
    fi
    check "${name}_leaves_nothing" wait_until 3 none_marked
}
for n in 12 16 20 24 32 48 64; do limited n "descriptors_$n" "$n" 30; done
limited n descriptors_64_for_few 64 4
check "few_descriptors_are_enough_for_few" [ "$code" -eq 0 ]
run bash -c "ulimit -Sn 64 && exec '$launch' -q -n 100 sh -c 'ulimit -Sn'"
check "a_soft_limit_is_raised_for_the_agent" [ "$code" -eq 0 ]
check "and_kept_for_the_ranks" [ "$(sort -u out)" = 64 ]
run bash -c "ulimit -n 30 && exec '$launch' -n 30 sleep 60"
check "too_few_descriptors_are_named" grep -q 'ulimit -n' err

# Root has no limit on processes; another user has.
if [ "$(id -u)" = 0 ] && command -v setpriv > /dev/null; then
    chmod 777 "$T" "$T/tmp" "$T/run"
    as_other="setpriv --reuid 54321 --regid 54321 --clear-groups"
    if $as_other "$launch" --version > /dev/null 2>&1; then
        for n in 3 5 9; do
            run $as_other bash -c "ulimit -u $n && exec '$launch' -q -n 20 sleep 60"
            check "processes_${n}_are_too_few" eval '[ $code -ne 0 ] && [ $code -lt 128 ] && [ -s err ]'
            check "processes_${n}_leaves_nothing" wait_until 5 none_marked
        done
    else
        skip "too_few_processes" "another user cannot run what is built here"
    fi
else
    skip "too_few_processes" "not root"
fi

printf '#!/bin/sh\n[ $MPL_RANK = 0 ] && rm -f here.sh\nexec sleep 60\n' > here.sh
chmod +x here.sh
run "$launch" -q -n 300 ./here.sh
check "a_program_that_vanishes_is_127" [ "$code" -eq 127 ]
check "and_named" grep -q here.sh err
check "with_nothing_left" wait_until 3 none_marked

run "$launch" -q -n 2 printf '%s\n' "$(head -c 130000 /dev/zero | tr '\0' x)"
check "an_argument_of_130000_bytes_arrives" [ "$(wc -c < out)" -eq 260002 ]
finish
