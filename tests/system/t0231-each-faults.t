#!/bin/bash
# mplaunch --each when something dies: a worker, mpeach, mplaunch, everything at once; Ctrl-C; jobs that hide. Nothing is left, and no input is lost.
. "$(dirname "$0")/lib.sh"

cat > hider.sh <<'END'
trap '' TERM INT HUP
(trap '' TERM INT HUP; setsid sh -c 'trap "" TERM INT HUP; echo > hidden.$0; while :; do sleep 0.05; done' "$1" &)
while :; do sleep 0.05; done
END
cat > leaver.sh <<'END'
(setsid sh -c 'echo > hidden.$0; while :; do sleep 0.05; done' "$1" &)
while [ ! -e "hidden.$1" ]; do sleep 0.01; done
END
hidden () { local i; for i in "$@"; do [ -e "hidden.$i" ] || return 1; done; }
begin () { rm -f hidden.*; start "$launch" -q -n 2 --each sh hider.sh ::: a b c d; wait_until 10 hidden a b; }

begin
kill -INT "$pid"
check "ctrl_C_ends_it" end_of "$pid" 8
check "with_130" [ "${code:-}" = 130 ]
check "and_all_jobs_with_what_they_hid" wait_until 2 none_marked
begin
kill -TERM "$pid"
check "TERM_ends_it" end_of "$pid" 8
check "with_143" [ "${code:-}" = 143 ]
check "and_leaves_nothing" wait_until 2 none_marked
begin
kill -KILL "$pid"
wait "$pid" 2> /dev/null
check "mplaunch_killed_leaves_nothing" wait_until 3 none_marked
begin
for p in $(marked_as mpeach); do [ "$(tr '\0' '\n' < "/proc/$p/environ" | grep -c '^MPL_FD=')" = 1 ] && kill -KILL "$p" && break; done
check "mpeach_killed_ends_it" end_of "$pid" 8
check "and_leaves_nothing_of_it" wait_until 3 none_marked
begin
for p in $(marked_as mpeach); do kill -KILL "$p"; done
check "all_of_mpeach_killed_ends_it" end_of "$pid" 8
check "and_leaves_nothing_of_them" wait_until 3 none_marked

rm -f hidden.*
run "$launch" -q -n 2 --each sh leaver.sh ::: a b c
check "a_job_that_leaves_something_ends" [ "$code" -eq 0 ]
check "and_what_it_left_is_ended" none_marked
rm -f hidden.*
run "$launch" -q -n 1 --each --timeout 0.5 sh hider.sh ::: a
check "what_a_job_hid_ends_with_its_time" [ "$code" -eq 1 ]

# A worker that is killed takes its job with it; the job runs again, and none is lost.
cat > once.sh <<'END'
echo "$1" >> "begun.$1"
[ "$1" = 5 ] && [ "$(wc -l < begun.5)" = 1 ] && kill -KILL $PPID && sleep 60
echo "done $1"
END
run "$launch" -q -n 2 --each sh once.sh ::: 1 2 3 4 5 6 7 8
check "a_killed_worker_loses_no_job" [ "$code-$(sort out | uniq | wc -l)-$(wc -l < out)" = 0-8-8 ]
check "its_job_ran_again" [ "$(wc -l < begun.5)" -eq 2 ]
run "$launch" -q -n 2 --each sh -c '[ $0 = 3 ] && kill -KILL $PPID; echo $0' ::: 1 2 3 4
check "a_job_that_kills_every_worker_fails_alone" [ "$code-$(sort out | tr '\n' ' ')" = "1-1 2 4 " ]

start "$launch" -q -n 2 --each sh -c 'echo > up.$0; while :; do sleep 0.02; echo x >> ticks; done' ::: 1 2
wait_until 10 eval '[ -e up.1 ] && [ -e up.2 ]'
kill -TSTP "$pid"
still () { local a; a=$(wc -l < ticks); sleep 0.4; [ "$(wc -l < ticks)" = "$a" ]; }
check "TSTP_stops_the_jobs" wait_until 5 still
kill -CONT "$pid"
moving () { ! still; }
check "CONT_continues_them" wait_until 5 moving
kill -INT "$pid"
end_of "$pid" 8
check "and_they_can_be_ended" wait_until 3 none_marked
finish
