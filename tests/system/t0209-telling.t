#!/bin/bash
# What mplaunch says of its ranks: who failed and how, who is late, what was still running when time was up, a table, a trace.
. "$(dirname "$0")/lib.sh"

host=$(uname -n)
run "$launch" -q -n 3 sh -c 'exit 3'
check "quiet_says_nothing" [ ! -s err ]
run "$launch" --oversubscribe -n 3 sh -c '[ $MPL_RANK = 1 ] || exec sleep 60; echo $$ > pid; exit 3'
check "who_failed_is_said_once" grep -qx "mplaunch: rank 1 on $host (process $(cat pid)) ended with exit code 3" err
check "and_nobody_who_was_ended_for_it" n_lines err 1
run "$launch" --oversubscribe --keep-going -n 4 sh -c '[ $MPL_RANK = 0 ] && exit 0; sleep 0.$MPL_RANK; echo $MPL_RANK; exit $((MPL_RANK + 4))'
check "keep_going_lets_the_others_end" [ "$(sort out | tr '\n' ' ')" = "1 2 3 " ]
check "names_each_that_failed" [ "$(grep -c 'ended with exit code' err)" -eq 3 ]
check "and_returns_the_first_ones_code" [ "$code" -eq 5 ]
run "$launch" -n 1 sh -c 'kill -KILL $$'
check "KILL_has_a_hint" grep -q 'signal 9 (Killed); out of memory' err
run "$launch" -n 1 sh -c 'no-such-command'
check "127_has_a_hint" grep -q 'exit code 127; .*not found' err
run "$launch" -v -n 1 true
check "verbose_says_that_it_began_and_ended" eval 'grep -q "rank 0 on .* is process" err && grep -q "ended with exit code 0" err'

start "$launch" --oversubscribe -n 3 sh -c '[ $MPL_RANK = 2 ] && exec sleep 60; exit 0'
check "a_straggler_is_named" wait_until 8 grep -q "rank 2 on $host (process [0-9]*) is still running" err
sleep 0.5
check "once" [ "$(grep -c 'still running' err)" -eq 1 ]
kill -INT "$pid"
end_of "$pid" 8

run "$launch" --oversubscribe --timeout 0.3 -n 4 sh -c '[ $MPL_RANK = 1 ] || exec sleep 60'
check "timeout_is_124" [ "$code" -eq 124 ]
check "names_who_was_running" grep -q "still running on $host: rank 0,2-3" err
run "$launch" --timeout 60 -n 2 sh -c 'exit 6'
check "a_timeout_that_is_not_reached_changes_nothing" [ "$code" -eq 6 ]
run "$launch" -q --timeout 0.3 -n 2 sh -c 'trap "" TERM; while :; do sleep 0.05; done'
check "timeout_kills_who_ignores_TERM" [ "$code-$((took < 6000 * SLOW))" = 124-1 ]

run "$launch" --oversubscribe --report -n 3 sh -c 'exit $((MPL_RANK == 2 ? 7 : 0))'
check "report_has_a_head" grep -qE '^ *rank +host +pid +seconds +CPU s +peak MiB +ended$' err
check "and_a_line_for_each_rank" [ "$(grep -cE "^ +[0-2] +$host +[0-9]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +(exit code|signal)" err)" -eq 3 ]
check "with_how_it_ended" grep -qE '^ +2 .* exit code 7$' err
run "$launch" -q --report --timeout 0.3 -n 2 sh -c 'head -c 50000000 /dev/zero | tail -c 50000000 > /dev/null; sleep 60'
check "report_tells_of_time_and_memory" grep -qE '^ +0 +[^ ]+ +[0-9]+ +[0-9]+\.[0-9]+ +[0-9]+\.[0-9]+ +[1-9][0-9]*\.[0-9] ' err

run "$launch" -q --trace trace.json -n 3 sh -c 'sleep 0.1'
check "a_trace_is_json_with_each_rank" python3 -c '
import json
events = json.load (open ("trace.json"))["traceEvents"]
ranks = sorted (e["tid"] for e in events if e.get ("cat") == "rank")
assert ranks == [0, 1, 2], ranks
assert all (e["ph"] == "X" and e["dur"] >= 100000 for e in events if e.get ("cat") == "rank")'
run "$launch" -q --trace /no/such/trace.json -n 1 true
check "a_trace_that_cannot_be_written_is_said" eval '[ "$code" -ne 0 ] && grep -q /no/such/trace.json err'
run "$launch" -q --progress -n 2 sh -c 'echo fine'
check "progress_leaves_the_output_alone" [ "$(sort -u out)" = fine ]
finish
