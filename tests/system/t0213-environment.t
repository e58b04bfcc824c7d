#!/bin/bash
# What a rank is given: variables set, kept and taken away, its folder, where its program is looked for, and several programs in one launch.
. "$(dirname "$0")/lib.sh"

run "$launch" -n 1 -x A=1 -x B= -x "C=a b" sh -c 'echo "$A|$B|$C|${B+set}"'
check "x_sets_variables" [ "$(cat out)" = "1||a b|set" ]
A=own run "$launch" -n 1 -x A sh -c 'echo $A'
check "x_without_a_value_takes_ours" [ "$(cat out)" = own ]
run "$launch" -n 1 -x A=1 -x A=2 sh -c 'echo $A'
check "the_last_one_wins" [ "$(cat out)" = 2 ]
run "$launch" -n 1 --env A=3 sh -c 'echo $A'
check "env_is_x" [ "$(cat out)" = 3 ]
A=1 run "$launch" -n 1 -envnone /usr/bin/env
check "envnone_keeps_nothing" [ "$(grep -c '^A=\|^HOME=\|^PATH=' out)" -eq 0 ]
check "but_what_is_ours_to_say" [ "$(grep -c '^MPL_RANK=0$' out)" -eq 1 ]
A=1 B=2 run "$launch" -n 1 -genvlist A,PATH sh -c 'echo $A$B'
check "genvlist_keeps_those" [ "$(cat out)" = 1 ]
run "$launch" -q -n 1 -x W=1 sh -c 'echo $W.' : -n 1 sh -c 'echo $W.'
check "x_is_of_its_program" [ "$(sort out | tr '\n' ' ')" = ". 1. " ]
run "$launch" -q -n 2 sh -c 'echo $MPL_RANK $MPL_SIZE $MPL_LOCAL_RANK $MPL_LOCAL_SIZE $MPL_NODE $MPL_NODES' : -n 1 sh -c 'echo $MPL_RANK $MPL_SIZE'
check "ranks_go_on_from_program_to_program" [ "$(sort out | tr '\n' '|')" = "0 3 0 3 0 1|1 3 1 3 0 1|2 3|" ]

unset OMP_NUM_THREADS
cores=$(nproc)
run "$launch" -q -n 1 sh -c 'echo $OMP_NUM_THREADS $OPENBLAS_NUM_THREADS'
check "one_process_may_use_every_core" [ "$(cat out)" = "$cores $cores" ]
run "$launch" -q -n $((cores * 2)) sh -c 'echo $OMP_NUM_THREADS'
check "more_than_cores_have_a_thread_each" [ "$(sort -u out)" = 1 ]
OMP_NUM_THREADS=7 run "$launch" -q -n 2 sh -c 'echo $OMP_NUM_THREADS'
check "what_the_user_set_stays" [ "$(sort -u out)" = 7 ]

mkdir -p one/two bin
printf '#!/bin/sh\npwd\n' > bin/where
chmod +x bin/where
run "$launch" -n 1 --wdir one/two pwd
check "wdir_is_where_it_runs" [ "$(cat out)" = "$T/one/two" ]
run "$launch" -n 1 -wdir one ../bin/where
check "a_relative_program_counts_from_there" [ "$(cat out)" = "$T/one" ]
run "$launch" -n 1 --wdir no/such/folder true
check "a_folder_that_is_not_there_is_125" eval '[ $code -eq 125 ] && grep -q no/such/folder err'
run "$launch" -n 1 --path "$T/bin" where
check "path_is_searched" [ "$(cat out)" = "$T" ]
run "$launch" -n 1 --path /no/such:"$T/bin" where
check "each_folder_of_it" [ "$(cat out)" = "$T" ]
run "$launch" -n 1 -x "PATH=$T/bin:/usr/bin:/bin" where
check "a_PATH_that_is_set_counts" [ "$(cat out)" = "$T" ]
run "$launch" -q -n 1 true : -n 2 no-such-program
check "a_program_that_is_missing_names_its_rank" eval '[ $code -eq 127 ] && grep -q "rank 1 .*no-such-program" err'
start nohup "$launch" -q -n 2 sleep 60
wait_until 5 eval '[ "$(marked_as sleep | wc -l)" -eq 2 ]'
check "nohup_holds_for_the_ranks" [ "$(for p in $(marked_as sleep); do awk '/SigIgn/ { print substr ($2, length ($2)) }' "/proc/$p/status"; done | sort -u)" = 1 ]
kill -TERM "$pid"
end_of "$pid" 8
finish
