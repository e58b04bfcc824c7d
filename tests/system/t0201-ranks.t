#!/bin/bash
# mplaunch starts N copies of any command. Each knows its rank and how many there are, finds the arguments, the directory
# and the environment as they were given, and shares the number of its job with its siblings and nobody else.
. "$(dirname "$0")/lib.sh"

run "$launch" --oversubscribe -n 4 hostname
check "four_copies_of_hostname_print_four_lines" n_lines out 4
check "and_the_code_is_0" [ "$code" -eq 0 ]
check "all_of_them_this_host" [ "$(sort -u out)" = "$(hostname)" ]
check "and_nothing_on_stderr" [ ! -s err ]

run "$launch" -n 4 sh -c 'echo "$MPL_RANK of $MPL_SIZE, $MPL_LOCAL_RANK of $MPL_LOCAL_SIZE"'
printf '%s\n' "0 of 4, 0 of 4" "1 of 4, 1 of 4" "2 of 4, 2 of 4" "3 of 4, 3 of 4" > right
check "every_rank_is_there_once" diff right <(sort out)

run "$launch" -np 3 sh -c 'echo "$MPL_RANK"'
check "np_is_n" [ "$(sort out | tr '\n' ' ')" = "0 1 2 " ]

run "$launch" -n 1 sh -c 'echo "$MPL_RANK $MPL_SIZE"'
check "one_is_rank_0_of_1" [ "$(cat out)" = "0 1" ]

run "$launch" sh -c 'echo "$MPL_SIZE"'
check "without_n_every_usable_core_has_one" [ "$(sort -u out) $(wc -l < out)" = "$(nproc) $(nproc)" ]

run "$launch" -n 64 sh -c 'echo "$MPL_RANK"'
check "sixty_four_on_two_cores_are_sixty_four" [ "$(sort -n out | tr '\n' ' ')" = "$(seq 0 63 | tr '\n' ' ')" ]

run "$launch" -n 2 sh -c 'echo "$MPL_JOB $MPL_NODE $MPL_NODES"'
check "one_job_on_one_node" [ "$(sort -u out | wc -l)" -eq 1 ]
check "the_node_is_0_of_1" [ "$(sort -u out | cut -d ' ' -f 2-)" = "0 1" ]
job=$(sort -u out)
check "the_job_has_a_name" [ -n "${job%% *}" ]
run "$launch" -n 2 sh -c 'echo "$MPL_JOB $MPL_NODE $MPL_NODES"'
check "two_launches_are_two_jobs" [ "$(sort -u out)" != "$job" ]

strange=$'a b\t"c" \'d\' $e `f` \\ * ? ; & | > < \n last'
as_hex='printf "<%s>" "$@" | od -An -v -tx1 | tr -d " \n"; echo'
run "$launch" -n 2 sh -c "$as_hex" sh "$strange" "" -n --
sh -c "$as_hex" sh "$strange" "" -n -- > one
check "arguments_arrive_as_they_were_given" cmp <(cat one one) out

run "$launch" -n 2 -- echo -n 5
check "two_dashes_end_the_options" [ "$(tr -d '\n' < out)" = 55 ]

mkdir "a folder"
cd "a folder" || exit 99
run env "SOME_THING=with a space" "$launch" -n 2 sh -c 'echo "$SOME_THING $(pwd)"'
check "environment_and_directory_are_ours" [ "$(sort -u out)" = "with a space $T/a folder" ]
printf '#!/bin/sh\necho "here $MPL_RANK"\n' > prog
chmod +x prog
run "$launch" -n 2 ./prog
check "a_program_by_relative_path_is_found" [ "$(sort out | tr '\n' ' ')" = "here 0 here 1 " ]
PATH=$PATH:$PWD run "$launch" -n 2 prog
check "a_program_on_the_path_is_found" [ "$(sort out | tr '\n' ' ')" = "here 0 here 1 " ]
cd "$T" || exit 99

run "$launch" -n 2 sh -c 'ls /proc/self/fd | grep -vE "^([0-4])$"'
check "no_descriptor_of_mplaunch_is_open_but_theirs" [ ! -s out ]

run "$launch" --version
check "version_says_so" [ "$code" -eq 0 ] && check "version_on_stdout" grep -q '[0-9]\.[0-9]' out
run "$launch" --help
check "help_is_no_error" [ "$code" -eq 0 ]
check "help_is_on_stdout" grep -q -- '-n' out

finish
