#!/bin/bash
# The same binary that used this machine's cores as ./app now runs as mplaunch -n 3 ./app: one of the three is main, three
# workers serve, and every promise of the pool holds as before. Wrappers such as valgrind may stand between.
. "$(dirname "$0")/lib.sh"

tap () { grep -E '^(not )?ok ' out | grep -q . && ! grep -E '^not ok|^Bail' out; }

run "$launch" -n 3 "$cases/pool_cases" all-basic
check "the_pool_keeps_its_promises_under_mplaunch" tap
grep -E '^not ok|^Bail' out | comment
check "and_the_code_is_0" [ "$code" -eq 0 ]
check "one_process_is_main" [ "$(grep -c '^1\.\.' out)" -eq 1 ]
check "and_says_everything_once" [ -z "$(grep '^ok' out | sort | uniq -d)" ]
[ -s err ] && comment err

run "$launch" -n 1 "$cases/pool_cases" map_gives_the_square_of_every_number imap_keeps_the_order max_tasks_replaces_workers
check "so_with_one" tap
run "$launch" -n 16 "$cases/pool_cases" map_gives_the_square_of_every_number several_pools_work_at_once
check "so_with_sixteen" tap

run "$launch" -n 3 "$cases/fault_cases" worker_killed_in_a_task_loses_nothing dead_worker_gives_its_chunks_back \
    poison_items_fail_alone_after_three_attempts task_over_its_time_fails_alone_and_once stopped_task_ends_by_its_limit \
    map_under_random_kills_is_right
check "a_workers_death_ends_nothing" tap
grep -E '^not ok|^Bail' out | comment
check "and_the_code_is_0_all_the_same" [ "$code" -eq 0 ]

run "$launch" -n 3 "$cases/pool_cases" no_such_case
check "mains_code_is_the_code" [ "$code" -eq 2 ]
check "and_nothing_hangs" [ "$took" -lt $((3000 * SLOW)) ]

for i in 1 2 3; do
    (run "$launch" -n 2 "$cases/pool_cases" map_gives_the_square_of_every_number imap_keeps_the_order > /dev/null 2>&1
     mv out "out.$i" 2> /dev/null; echo "$code" > "code.$i") &
done
wait
check "three_launches_in_one_folder_do_not_meet" [ "$(cat code.1 code.2 code.3 | tr '\n' ' ')" = "0 0 0 " ]

run "$launch" -n 2 env SOME=THING "$cases/pool_cases" map_gives_the_square_of_every_number
check "env_may_stand_between" tap
run "$launch" -n 2 sh -c "'$cases/pool_cases' map_gives_the_square_of_every_number; exit \$?"
check "a_shell_may_stand_between" tap
if command -v valgrind > /dev/null && [ "${MPL_SANITIZER:-no}" = no ]; then
    MPL_TEST_SLOW=10 run "$launch" -n 2 valgrind -q --vgdb=no --trace-children=yes --error-exitcode=99 "$cases/pool_cases" \
        map_gives_the_square_of_every_number apply_takes_every_kind_of_item
    check "valgrind_may_stand_between" tap
    check "and_finds_nothing" [ "$code" -eq 0 ]
    comment err
else
    skip "valgrind_may_stand_between" "no valgrind, or a sanitizer that it does not go with"
    skip "and_finds_nothing" "no valgrind, or a sanitizer that it does not go with"
fi

start env MPL_TEST_DIR="$T" "$launch" -n 4 "$cases/fault_cases" --sub busy wait
check "a_job_is_busy" wait_until 10 eval '[ "$(grep -c . attempts)" -ge 4 ] && [ "$(grep -c . grandchildren)" -ge 2 ]'
kill -KILL "$pid"
wait "$pid" 2> /dev/null
check "mplaunch_killed_leaves_nothing_of_it" wait_until 2 none_marked
rm -f attempts grandchildren pids

start env MPL_TEST_DIR="$T" "$launch" -n 4 "$cases/fault_cases" --sub busy wait
wait_until 10 eval '[ "$(grep -c . attempts)" -ge 4 ] && [ "$(grep -c . grandchildren)" -ge 2 ]'
kill -INT "$pid"
check "INT_ends_it" end_of "$pid" 7
check "with_130" [ "${code:-}" = 130 ]
check "and_nothing_is_left" wait_until 2 none_marked
rm -f attempts grandchildren pids

run env MPL_TEST_DIR="$T" "$launch" -n 4 "$cases/fault_cases" --sub busy return
check "main_that_returns_with_busy_workers_ends_the_job" [ "$code-$((took < 8000 * SLOW))" = 5-1 ]
check "at_once_and_whole" wait_until 2 none_marked

run "$cases/pool_cases" --sub defaults
check "pools_have_two_retries_and_no_limits" [ "$(cat out)" = "retries 2 task_timeout 0 memory_limit 0" ]
printf 'hosts: [localhost]\npool: {retries: 0, task_timeout: 1.5min, memory_limit: 2GiB}\n' > limits.yaml
run "$launch" -f limits.yaml -n 2 "$cases/pool_cases" --sub defaults
check "unless_the_cluster_file_says_otherwise" [ "$(cat out)" = "retries 0 task_timeout 90 memory_limit 2147483648" ]
printf 'hosts: [localhost]\npool: {task_timeout: 5s}\n' > limits.yaml
run "$launch" -f limits.yaml -n 2 "$cases/pool_cases" --sub defaults
check "what_it_does_not_say_stays" [ "$(cat out)" = "retries 2 task_timeout 5 memory_limit 0" ]

finish
