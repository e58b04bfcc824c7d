#!/bin/bash
# A pool over several hosts: the same results as on one, each once, whatever ends meanwhile: a worker, an agent, a whole host; and
# nothing is left on any. ssh is a stand-in that starts the agent on this machine, which then is every host.
. "$(dirname "$0")/lib.sh"
mkdir bin
cp "$MPL_SRC/tests/system/stand-in-ssh" bin/ssh
export PATH=$T/bin:$PATH STAND_IN_LOG=$T/ssh

tap () { grep -E '^(not )?ok ' out | grep -q . && ! grep -E '^not ok|^Bail' out; }

# The agent of a host: its environment is what a login there has.
agent_of () {
    local p
    for p in $(agents); do
        tr '\0' '\n' < "/proc/$p/environ" | grep -qx "HOSTNAME=$1" && echo "$p"
    done
    return 0
}

# A result does not depend on how many hosts there are.
real=$MPL_SRC/doc
[ -n "$(find /usr/include -type f -print -quit 2> /dev/null)" ] && real=/usr/include
run "$MPL_BUILD/examples/wordcount" "$real"
mv out right
run "$launch" -H a:2,b:2,c:2,d:2 "$MPL_BUILD/examples/wordcount" "$real"
check "wordcount_on_four_hosts_gives_the_result_of_one" cmp right out
check "with_code_0_and_without_a_word" eval '[ $code -eq 0 ] && [ ! -s err ]'
run "$launch" -H localhost:1,b:1,c:1 "$MPL_BUILD/examples/wordcount" "$real"
check "so_with_main_on_this_host" cmp right out

run "$launch" -H a:2,b:2 "$cases/pool_cases" all-basic
check "the_pool_keeps_its_promises_on_two_hosts" tap
grep -E '^not ok|^Bail' out | comment
check "and_the_code_is_0" [ "$code" -eq 0 ]
run "$launch" -H a:1,b:2 "$cases/fault_cases" worker_killed_in_a_task_loses_nothing dead_worker_gives_its_chunks_back \
    task_over_its_time_fails_alone_and_once stopped_task_ends_by_its_limit map_under_random_kills_is_right
check "a_workers_death_ends_nothing" tap
grep -E '^not ok|^Bail' out | comment

# One by one, so that each promise is a line of this test.
for name in $("$cases/far_cases" --list); do
    run "$launch" -H a:2,b:2 "$cases/far_cases" "$name"
    check "$name" eval 'tap && [ $code -eq 0 ] && grep -c . out'
    grep -E '^not ok|^Bail' out | comment
    comment err
done

# What is lost in mid-map. Heartbeats are quick, so that a stopped host is soon found out.
printf 'hosts:\n  - {name: a, slots: 2}\n  - {name: b, slots: 2}\n' > hosts.yaml
printf 'transport: {heartbeat: 300ms, self_end_after: 1s, lost_after: 2s}\n' >> hosts.yaml
begin_squares () {
    rm -f begun go
    start env MPL_TEST_DIR="$T" "$launch" -f hosts.yaml "$cases/far_cases" --sub squares "$@"
    wait_until 10 test -s begun
}

begin_squares 1000 4
victim=$(agent_of b)
kill -KILL "$victim"
touch go
check "an_agent_killed_does_not_end_the_job" end_of "$pid" 10
check "its_work_is_done_by_others_each_once" [ "${code:-}-$(cat out)" = "0-0: 1000 results, 1000 right" ]
check "and_the_host_is_named_once" [ "$(grep -c 'the host b is lost: .*; the job goes on without it' err)" = 1 ]
comment err
check "nothing_is_left_of_it" wait_until 3 none_marked

begin_squares 1000 4
victim=$(agent_of b)
kill -STOP "$victim"
touch go
check "an_agent_stopped_does_not_end_the_job" end_of "$pid" 15
check "its_work_is_done_by_others_as_well" [ "${code:-}-$(cat out)" = "0-0: 1000 results, 1000 right" ]
check "and_it_is_lost_for_its_silence" grep -q 'the host b is lost: nothing was heard of it for 2 s; the job goes on' err
comment err
kill -CONT "$victim" 2> /dev/null
check "when_it_goes_on_it_ends" wait_until 3 none_marked

begin_squares 1000 4
kill -KILL "$(agent_of a)"
check "mains_agent_killed_ends_the_job" end_of "$pid" 10
check "with_125" [ "${code:-}" = 125 ]
comment err
check "and_nothing_is_left" wait_until 3 none_marked

begin_squares 1000 4
kill -KILL "$pid"
check "mplaunch_killed_leaves_nothing_on_any_host" wait_until 3 none_marked
wait "$pid" 2> /dev/null

begin_squares 1000 4
kill -INT "$pid"
check "INT_ends_a_pool_on_all_hosts" end_of "$pid" 7
check "with_130" [ "${code:-}" = 130 ]
check "and_nothing_is_left_of_it" wait_until 3 none_marked

finish
