#!/bin/bash
# Ctrl-C: the first is passed on to every process, a second kills what is still there, and the code is 130. Other signals
# are passed on. When mplaunch itself is killed, nothing of the job is left two seconds later, whatever it did to hide.
. "$(dirname "$0")/lib.sh"

cat > patient.sh <<'END'
for s in INT TERM HUP USR1 USR2; do trap "echo $s >> got.$MPL_RANK" $s; done
echo > ready.$MPL_RANK
while :; do sleep 0.02; done
END
cat > hider.sh <<'END'
trap '' TERM INT HUP
(trap '' TERM INT HUP; setsid sh -c 'trap "" TERM INT HUP; echo > hidden.$MPL_RANK; while :; do sleep 0.05; done' &)
echo > ready.$MPL_RANK
while :; do sleep 0.05; done
END
ready () { local r; for ((r = 0; r < $1; r++)); do [ -e "ready.$r" ] || return 1; done; }
hidden () { local r; for ((r = 0; r < $1; r++)); do [ -e "hidden.$r" ] || return 1; done; }
got () { local r; for ((r = 0; r < $1; r++)); do grep -q "$2" "got.$r" || return 1; done; }
again () { rm -f ready.* got.* hidden.*; }

start "$launch" -n 3 sleep 60
check "three_sleepers_are_up" wait_until 5 eval '[ "$(marked_as sleep | wc -l)" -eq 3 ]'
kill -INT "$pid"
check "one_INT_ends_them" end_of "$pid" 6
check "and_the_code_is_130" [ "${code:-}" = 130 ]
check "and_they_are_gone" wait_until 2 none_marked

start "$launch" -n 3 sh patient.sh
wait_until 5 ready 3
for s in USR1 USR2 HUP; do
    kill -$s "$pid"
    check "${s}_is_passed_on_to_all" wait_until 2 got 3 $s
done
check "and_ends_nothing" [ "$(is_over "$pid" || echo on)" = on ]
kill -INT "$pid"
check "the_first_INT_is_passed_on" wait_until 2 got 3 INT
sleep 0.5
check "and_kills_nobody_who_traps_it" [ "$(is_over "$pid" || echo on)" = on ]
kill -INT "$pid"
check "the_second_INT_kills" end_of "$pid" 1
check "and_the_code_is_130_again" [ "${code:-}" = 130 ]
check "and_all_are_gone" wait_until 1 none_marked
again

start "$launch" -n 2 sh -c 'trap "exit 3" INT; echo > ready.$MPL_RANK; while :; do sleep 0.02; done'
wait_until 5 ready 2
kill -INT "$pid"
check "programs_that_leave_by_themselves_are_let" end_of "$pid" 3
check "their_code_or_130" eval '[ "${code:-}" = 3 ] || [ "${code:-}" = 130 ]'
again

start "$launch" -n 2 sh hider.sh
wait_until 5 hidden 2
kill -INT "$pid"
sleep 0.1
kill -INT "$pid"
check "two_INTs_in_a_row_end_those_that_ignore_them" end_of "$pid" 2
check "with_their_hidden_children" wait_until 1 none_marked
again

start "$launch" -n 3 sleep 60
wait_until 5 eval '[ "$(marked_as sleep | wc -l)" -eq 3 ]'
kill -TERM "$pid"
check "TERM_ends_them" end_of "$pid" 6
check "with_143" [ "${code:-}" = 143 ]

start "$launch" -n 2 sh patient.sh
wait_until 5 ready 2
kill -TERM "$pid"
check "those_that_go_on_after_TERM_have_their_grace" end_of "$pid" 8
check "and_the_code_is_143" [ "${code:-}" = 143 ]
again

for i in 1 2 3; do
    start "$launch" -n 3 sh hider.sh
    wait_until 5 hidden 3
    kill -KILL "$pid"
    wait "$pid" 2> /dev/null
    check "mplaunch_killed_leaves_nothing_$i" wait_until 2 none_marked
    again
done

for delay in 0 0.002 0.004 0.006 0.01 0.015 0.02 0.03; do
    start "$launch" -n 4 sleep 60
    sleep $delay
    kill -KILL "$pid"
    wait "$pid" 2> /dev/null
done
check "nor_when_it_is_killed_as_it_starts" wait_until 2 none_marked

for delay in 0.002 0.005 0.01 0.02; do
    start "$launch" -n 4 sleep 60
    # Before that it is a program of the test's, which may ignore INT.
    wait_until 5 eval '[[ $(readlink "/proc/$pid/exe") == */mplaunch ]]'
    sleep $delay
    kill -INT "$pid"
    check "INT_as_it_starts_ends_it_$delay" end_of "$pid" 6
done
check "with_nothing_left" wait_until 2 none_marked

start "$launch" -n 2 sh hider.sh
wait_until 5 hidden 2
agents=$(marked_as mpworker)
check "there_is_an_agent" [ -n "$agents" ]
for p in $agents; do kill -KILL "$p"; done
check "the_agent_killed_ends_the_job" end_of "$pid" 5
check "with_a_code_that_is_not_0" [ "${code:-0}" -ne 0 ]
check "and_a_sentence" [ -s err ]
check "and_nothing_left" wait_until 2 none_marked
again

start setsid "$launch" -n 2 sh hider.sh
wait_until 5 hidden 2
group=$(ps -o pgid= -p "$(marked_as mplaunch | head -n 1)" | tr -d ' ')
kill -HUP -- "-$group"
sleep 0.2
kill -KILL -- "-$group" 2> /dev/null
wait "$pid" 2> /dev/null
check "its_whole_group_killed_leaves_nothing" wait_until 2 none_marked

finish
