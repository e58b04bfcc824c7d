#!/bin/bash
# A command line that is wrong is refused as a whole: one sentence that quotes what is wrong, exit code 2, and nothing was started. What people
# type who come from mpiexec, mpirun and GNU parallel is either understood or refused with a word about what there is instead.
. "$(dirname "$0")/lib.sh"

# wrong NAME WORD ARGS...: refused with one line on stderr that has the word, nothing on stdout, and no program was run.
wrong () {
    local name=$1 word=$2
    shift 2
    rm -f started
    run "$launch" "$@"
    if [ "$code" -ne 2 ]; then
        not_ok "$name" "code $code, not 2"; comment err
    elif [ "$(wc -l < err)" -ne 1 ] || ! grep -q '^mplaunch: .*[;:] ' err; then
        not_ok "$name" "not one sentence on stderr"; comment err
    elif ! grep -qF -- "$word" err; then
        not_ok "$name" "no '$word' in it"; comment err
    elif [ -s out ] || [ -e started ]; then
        not_ok "$name" "something was run"; comment out
    else
        ok "$name"
    fi
}

# values OPTION WORD...: each of the words is wrong for the option, and quoted; so is an option without a word.
values () {
    local option=$1 value
    shift
    for value; do
        wrong "${option#-}_is_not_$(printf %s "${value:-empty}" | tr -c 'A-Za-z0-9.\n-' _)" "$value" "$option" "$value" touch started
    done
    wrong "${option#-}_needs_a_value" "no value after '$option'" "$option"
    wrong "${option#-}_needs_it_before_a_colon" "no value after '$option'" "$option" : touch started
}

values -n 0 -1 x 4x 4.5 1e3 0x4 " 4" "" 65537 99999999999999999999 nan --help
values -np 0 "4 "
values --np "" -v
values -ppn 0 -1 many ""
values --npernode 0
values -H "" -n a, :4 a:0 a:x "a b" "-oProxyCommand=x"
values -hosts "" -n a,,b
values --hostfile "" -v no/such/file /dev/null .
values -f "" -v no/such/file no/such.yaml
values --cluster "" no/such/file
values --map-by "" banana SLOT ppr:2:node core:PE=2
values --bind-to "" banana hwthread
values -x "" = =x
values --env "" =x
values -env "" =x
values -envlist "" , a,,b a=b
values -genv "" =x
values -genvlist "" ,
values -wdir "" -n
values --path ""
values --stdin "" -1 x ALL 65536 1.5
values --output "" --tee tag
values --timeout 0 -1 nan inf 1e30 x "" 5x 0s
values --display "" bindings
values --trace "" --report
values -configfile ""
for value in no/such/file . /dev/null; do
    wrong "configfile_is_not_$(printf %s "$value" | tr -c 'A-Za-z0-9\n' _)" "$value" -configfile "$value"
done
wrong "env_needs_two" "no value after '-env A'" -env A
wrong "no_value_is_taken_where_none_belongs" "'-l'" -l=1 touch started

wrong "a_rank_that_there_is_not_has_no_stdin" "'4'" -n 4 --stdin 4 touch started
wrong "too_many_in_all" 65537 -n 65536 touch started : -n 1 touch started
wrong "verbose_and_quiet_at_once" "-v and -q" -v -q touch started
wrong "tee_without_output" --output --tee touch started
wrong "two_kinds_of_host_files" "give one" -f a.yaml --hostfile b touch started

wrong "nothing_at_all" "no program"
wrong "no_program" "no program" -n 2
wrong "no_program_before_a_colon" "before" -n 2 : touch started
wrong "no_program_after_a_colon" "after" touch started : -n 2
wrong "no_program_between_colons" "before" touch started : : touch started
wrong "an_option_of_the_launch_in_its_second_program" "program 2" touch started : --timeout 5 touch started
wrong "an_unknown_option" "'--no-such-option'" --no-such-option touch started
wrong "a_mistyped_option" "--hostfile?" --hostflie f touch started
wrong "two_letters_in_one_word" "'-lv'" -lv touch started
wrong "a_number_behind_its_letter" "-n 4?" -n4 touch started
wrong "MCA_parameters" MCA --mca btl self touch started
for option in -soft -arch -launcher -rmk -iface --rank-by --report-bindings; do
    wrong "not_here_is_${option#-}" "there is no option '$option' here" "$option" 1 touch started
done
wrong "each_without_a_command" "no command" --each ::: started
wrong "options_of_each_without_it" "with --each" -k touch started
wrong "options_that_do_not_go_with_each" "--bind-to" --bind-to core --each touch ::: started

# A file in place of the command line.
printf -- '-n 1 touch started\n# fine so far\n-n x \\\n  true\n' > wrong.conf
wrong "an_error_in_a_file_has_its_place" "wrong.conf:3: -n is 'x'" -configfile wrong.conf
printf -- '-n 1 touch "started\n' > open.conf
wrong "a_quote_that_is_not_closed_too" "open.conf:1:" -configfile open.conf
wrong "nothing_stands_beside_it" "'touch' follows" -configfile wrong.conf touch started
printf -- '-l -n 1 echo "a  b" # one\n\n-n 2 echo c\\ d \\\n   e\n' > right.conf
run "$launch" -q -configfile right.conf
check "a_right_file_is_run" [ "$(sort out | tr '\n' '|')" = "[0] a  b|[1] c d e|[2] c d e|" ]

# What is said once is said in every spelling.
for spelling in "-n 2" "-np 2" "--np 2" "--np=2" "-c 2" "-n=2"; do
    # shellcheck disable=SC2086
    run "$launch" -q $spelling echo x
    check "$(echo "$spelling" | tr ' =' '__')_is_two" n_lines out 2
done
run "$launch" -q -n 1 -n 2 echo x
check "the_last_one_wins" n_lines out 2
run "$launch" --allow-run-as-root --oversubscribe -n 1 echo x
check "permission_for_root_is_taken_and_not_needed" [ "$code$(cat err)" = 0 ]
run "$launch" -q -n 1 -- echo -n x
check "two_dashes_end_the_options" [ "$(cat out)" = x ]
run "$launch" -n 1 -x NO_SUCH_NAME echo x
check "a_variable_that_is_not_set_is_said" eval '[ "$code" -eq 0 ] && grep -q "NO_SUCH_NAME" err'

# Help.
run "$launch" --help
check "help_fits_a_screen" eval '[ $(wc -l < out) -lt 24 ] && ! grep -q ".\{81\}" out'
check "and_ends_well" eval '[ $code -eq 0 ] && [ ! -s err ]'
run "$launch" --help all
check "help_all_fits_its_width" eval '[ $(wc -l < out) -gt 24 ] && ! grep -q ".\{81\}" out'
for option in $(grep -oE '(^|[ [])--?[A-Za-z0][a-z-]*' out | grep -oE -- '--?[A-Za-z0].*' | sort -u); do
    name=${option#-}
    grep -qE "Fl -?${name#-}( |\$)" "$MPL_SRC/doc/man/mplaunch.1" || echo "$option"
done > missing
check "every_option_of_it_is_in_the_manual" [ ! -s missing ]
comment missing
run sh -c "'$launch' --help > /dev/full"
check "help_that_cannot_be_written_fails" [ "$code" -eq 1 ]
finish
