#!/bin/bash
# What mplaunch returns, for whoever calls it from a script: the program's own code, 128 and a signal, 2 for a wrong
# command line, 126 and 127 as in the shell. What was wrong is said in one line that names it, and then nothing was started.
. "$(dirname "$0")/lib.sh"

run "$launch" -n 2 true
check "all_well_is_0" [ "$code" -eq 0 ]
run "$launch" -n 3 sh -c 'exit 7'
check "their_code_is_ours" [ "$code" -eq 7 ]
run "$launch" -n 3 sh -c '[ $MPL_RANK = 2 ] && exit 9; exit 0'
check "one_that_fails_is_enough" [ "$code" -eq 9 ]
run "$launch" -n 3 sh -c '[ $MPL_RANK = 1 ] && exit 5; sleep 60'
check "the_first_to_fail_gives_the_code" [ "$code" -eq 5 ]
check "and_ends_the_others" [ "$took" -lt $((7000 * SLOW)) ]
check "who_failed_is_named" grep -q 1 err
run "$launch" -n 3 sh -c '[ $MPL_RANK = 1 ] && exit 5; trap "" TERM; while :; do sleep 0.05; done'
check "even_those_that_ignore_TERM" [ "$code-$((took < 9000 * SLOW))" = 5-1 ]
run "$launch" -n 2 sh -c 'kill -SEGV $$'
check "a_signal_is_128_and_its_number" [ "$code" -eq 139 ]
check "and_named" grep -qiE 'SEGV|Segmentation|signal 11' err
run "$launch" -n 2 sh -c '[ $MPL_RANK = 0 ] && kill -KILL $$; sleep 60'
check "so_is_KILL" [ "$code" -eq 137 ]
run "$launch" -n 2 sh -c 'exit 255'
check "255_stays_255" [ "$code" -eq 255 ]

# wrong NAME CODE WORD ARGS...: refused with that code, one line on stderr that has the word, nothing on stdout.
wrong () {
    local name=$1 right=$2 word=$3
    shift 3
    run "$launch" "$@"
    if [ "$code" -ne "$right" ]; then
        not_ok "$name" "code $code, not $right"; comment err
    elif [ "$(wc -l < err)" -ne 1 ]; then
        not_ok "$name" "$(wc -l < err) lines on stderr"; comment err
    elif ! grep -qF -- "$word" err; then
        not_ok "$name" "no '$word' in it"; comment err
    elif [ -s out ]; then
        not_ok "$name" "something was run"; comment out
    else
        ok "$name"
    fi
}

echo '#!/bin/sh' > not-executable
mkdir folder
printf '#!/no/such/interpreter\n' > no-interpreter
chmod +x no-interpreter
wrong "n_0_is_refused" 2 0 -n 0 echo ran
wrong "n_x_is_refused" 2 x -n x echo ran
wrong "n_minus_1_is_refused" 2 -1 -n -1 echo ran
wrong "n_3x_is_refused" 2 3x -n 3x echo ran
wrong "n_empty_is_refused" 2 "''" -n "" echo ran
wrong "n_huge_is_refused" 2 99999999999999999999 -n 99999999999999999999 echo ran
wrong "n_without_a_number_is_refused" 2 -n -n
wrong "n_and_no_program_is_refused" 2 program -n 2
wrong "nothing_at_all_is_refused" 2 program
wrong "an_unknown_option_is_refused" 2 --no-such-option --no-such-option echo ran
wrong "a_missing_program_is_127" 127 no-such-program -n 2 no-such-program
wrong "a_missing_path_is_127" 127 ./no/such/program -n 2 ./no/such/program
wrong "an_empty_program_is_127" 127 "" -n 2 ""
wrong "a_file_that_is_not_executable_is_126" 126 not-executable -n 2 ./not-executable
wrong "a_folder_is_126" 126 folder -n 2 ./folder
wrong "a_missing_interpreter_is_named" 127 no-interpreter -n 2 ./no-interpreter

finish
