#!/bin/bash
# mplaunch --each: a command for each input, as people know it from GNU parallel and xargs: the same lines, the same codes, the same joblog.
. "$(dirname "$0")/lib.sh"

each () { "$launch" -q --each "$@"; }
joined () { sort "$@" | tr '\n' '|'; }

run "$launch" --each echo ::: a b c
check "each_input_is_an_argument" [ "$(joined out)" = "a|b|c|" ]
run "$launch" --each echo 'x{}y' ::: a b
check "or_stands_where_the_braces_are" [ "$(joined out)" = "xay|xby|" ]
seq 100 > numbers
stdin=numbers run "$launch" --each echo
check "inputs_come_from_standard_input" diff <(sort numbers) <(sort out)
run "$launch" --each -a numbers echo
check "or_from_a_file" diff <(sort numbers) <(sort out)
run "$launch" --each -k -a numbers sh -c 'sleep 0.0$(( $0 % 3 )); echo $0'
check "keep_order_prints_in_the_order_of_inputs" diff numbers out
run "$launch" --each -k echo {1}-{2} ::: a b ::: 1 2
check "several_sources_give_every_combination" [ "$(tr '\n' ' ' < out)" = "a-1 a-2 b-1 b-2 " ]
run "$launch" -n 2 --each -k echo '{} {.} {/} {//} {/.} {#}' ::: d/f.tar.gz g
check "parts_of_the_input_have_their_places" [ "$(tr '\n' '|' < out)" = "d/f.tar.gz d/f.tar f.tar.gz d f.tar 1|g g g . g 2|" ]
run "$launch" -n 3 --each echo {%} ::: 1 2 3 4 5 6
check "a_slot_is_one_of_as_many_as_run_at_once" [ "$(sort -u out | grep -vc '^[123]$')" -eq 0 ]
printf 'a b\0c\nd\0' > nuls
stdin=nuls run "$launch" --each -k -0 printf '<%s>'
check "null_separates_anything" [ "$(cat out)" = "<a b><c
d>" ]
run "$launch" --each -k 'echo {} | wc -c' ::: "a'b" '$(touch hacked)' '; touch hacked' 'x y' '-n'
check "a_shell_is_used_where_the_command_needs_one" [ "$(tr -d ' ' < out | tr '\n' ' ')" = "4 16 15 4 0 " ]
check "and_the_input_is_quoted" [ ! -e hacked ]
# The user's own quotes, a here-document, a comment: an input stays data, whatever stands around its place.
for script in 'printf %s "{}" | cat' "printf %s '{}' | cat" 'printf %s "$(printf %s {})" | cat' 'printf %s "$(printf %s "{}")"; true'; do
    run "$launch" -q --each -k "$script" ::: '$(touch hacked)' '`touch hacked`' 'a; touch hacked' "a'b  c" '"'
    check "also_in_quotes_of_the_users" [ "$(cat out)" = '$(touch hacked)`touch hacked`a; touch hacked'"a'b  c"'"' ]
done
for script in $'cat <<E\n{}\nE' 'true # {}' 'echo `echo {}`' 'echo \\{} | cat' 'echo ${x:-{}} | cat'; do
    run "$launch" -q --each "$script" ::: '$(touch hacked)' 'x`touch hacked`x' $'a\ntouch hacked\n#'
done
check "and_nowhere_becomes_code" [ ! -e hacked ]
run "$launch" --each -k printf '%s|' ::: "a'b" '$(touch hacked)' '*' '-rf' ''
check "without_one_words_stay_words" [ "$(cat out)" = "a'b|\$(touch hacked)|*|-rf||" ]
run "$launch" --each --tag -k sh -c 'echo $0; echo $0 >&2; printf end' ::: a b
check "tag_begins_each_line_with_its_input" [ "$(tr '\t\n' ':|' < out)" = "a:a|a:end|b:b|b:end|" ]
check "on_stderr_too" [ "$(tr '\t\n' ':|' < err)" = "a:a|b:b|" ]
run "$launch" -n 2 --each sh -c 'for i in 1 2 3; do echo $0 $i; sleep 0.01; done' ::: a b c d
check "what_a_job_prints_stays_together" [ "$(awk '{ print $1 }' out | uniq | wc -l)" -eq 4 ]
run "$launch" --each --output there -k sh -c 'echo $0; echo e$0 >&2' ::: a b
check "or_goes_to_files" [ "$(cat there/1.out there/2.out there/2.err 2> /dev/null | tr '\n' '|')" = "a|b|eb|" ]
run "$launch" --each --dry-run -k gzip {} ::: 'a b' c
check "a_dry_run_prints_the_commands" [ "$(cat out)" = "gzip 'a b'
gzip c" ]
run "$launch" -v --each true ::: a
check "verbose_prints_them_as_they_begin" grep -q 'job 1: true a' err
run "$launch" -n 4 --each sh -c 'echo $MPL_SEQ $PARALLEL_SEQ $MPL_RANK.' ::: a
check "a_job_knows_its_number_and_is_no_rank" [ "$(cat out)" = "1 1 ." ]
run "$launch" --each cat ::: /dev/stdin
check "its_input_is_empty" [ "$code-$(wc -c < out)" = 0-0 ]

codes () { for ((i = 0; i < $1; i++)); do echo 1; done; for ((i = 0; i < $2; i++)); do echo 0; done; }
for n in 0 1 3 100 101 150; do
    codes $n 5 > list
    stdin=list run "$launch" -q -n 4 --each sh -c 'exit $0'
    check "${n}_that_fail_make_$((n > 100 ? 101 : n))" [ "$code" -eq $((n > 100 ? 101 : n)) ]
done
run "$launch" --each sh -c 'exit $0' ::: 3
check "who_failed_is_named" grep -q "^mplaunch: job 1 (sh -c 'exit \$0' 3) on .* ended with exit code 3" err
run "$launch" --each no-such-command ::: a
check "a_missing_command_too" grep -q 'job 1 .*could not be started' err
run "$launch" --each sh -c 'kill -KILL $$' ::: a
check "and_a_signal" grep -q 'ended with signal 9' err

run "$launch" -q -n 1 --each --retries 3 sh -c 'echo x >> tried.$0; [ "$(wc -l < tried.$0)" -ge $0 ]' ::: 1 2 3 4
check "retries_is_how_often_it_runs_in_all" [ "$(wc -l < tried.1)-$(wc -l < tried.2)-$(wc -l < tried.3)-$(wc -l < tried.4)-$code" = 1-2-3-3-1 ]
run "$launch" --each --timeout 0.3 sleep ::: 60 0
check "timeout_ends_the_job_alone" eval '[ "$code" -eq 1 ] && grep -q "was ended after 0.3 s" err && [ "$took" -lt $((10000 * SLOW)) ]'
run "$launch" -q --each --timeout 0.3 sh -c 'trap "" TERM; while :; do sleep 0.05; done' ::: 1
check "even_one_that_ignores_TERM" [ "$code-$((took < 10000 * SLOW))" = 1-1 ]

run "$launch" -q -n 1 --each --halt now,fail=1 sh -c 'echo $0 >> ran; exit $0' ::: 0 7 0 0
check "halt_now_returns_the_code_of_the_job" [ "$code-$(wc -l < ran)" = 7-2 ]
for halt in soon,fail=2:2 now,fail=50%:50 soon,fail=50%:50 soon,success=2:0 now,done=1:0 soon,done=50%:34; do
    run "$launch" -q -n 1 --each --halt "${halt%:*}" sh -c 'exit $0' ::: 0 3 5 0 7 8
    check "halt_${halt%:*}_returns_${halt#*:}_as_GNU_parallel_does" [ "$code" -eq "${halt#*:}" ]
done
rm -f ran
run "$launch" -q -n 2 --each --halt soon,fail=1 sh -c 'if [ $0 = 1 ]; then exit 4; fi; sleep 0.3; echo $0 >> ran' ::: 1 2 3 4 5 6 7 8
check "halt_soon_lets_those_that_run_end" eval '[ "$code" -eq 4 ] && [ "$(wc -l < ran)" -ge 1 ] && [ "$(wc -l < ran)" -le 3 ]'
run "$launch" -q -n 2 --each --halt now,success=1 sh -c '[ $0 = ok ] || exec sleep 60' ::: slow ok
check "halt_now_success_ends_the_others" [ "$code-$((took < 10000 * SLOW))" = 0-1 ]

run "$launch" -q -n 1 --each --joblog log sh -c 'echo x; exit $0' ::: 0 2 0
check "joblog_has_the_columns" [ "$(head -n 1 log | tr '\t' ' ')" = "Seq Host Starttime JobRuntime Send Receive Exitval Signal Command" ]
check "and_a_line_for_each_job" [ "$(awk 'NR > 1 { print $1 ":" $6 ":" $7 ":" $8 }' log | tr '\n' ' ')" = "1:2:0:0 2:2:2:0 3:2:0:0 " ]
if command -v parallel > /dev/null; then
    parallel --will-cite -j1 --joblog theirs 'sh -c "echo x; exit {}"' ::: 0 2 0 > /dev/null 2>&1
    check "in_the_form_of_GNU_parallel" diff <(awk '{ print NF - (NF > 9 ? NF - 9 : 0), $1, $5, $6, $7, $8 }' theirs) <(awk '{ print NF - (NF > 9 ? NF - 9 : 0), $1, $5, $6, $7, $8 }' log)
else
    skip "in_the_form_of_GNU_parallel" "parallel is not installed"
fi
run "$launch" -q -n 1 --each --joblog log --resume sh -c 'echo $0 >> resumed' ::: 0 2 0 5 6
check "resume_runs_what_is_not_there" [ "$(tr '\n' ' ' < resumed)" = "5 6 " ]
rm -f resumed
run "$launch" -q -n 1 --each --joblog log --resume-failed sh -c 'echo $0 >> resumed' ::: 0 2 0 5 6
check "resume_failed_what_failed_too" [ "$(tr '\n' ' ' < resumed)" = "2 " ]
run "$launch" -q --each --joblog /no/such/log true ::: 1
check "a_joblog_that_cannot_be_written_is_said" eval '[ $code -eq 255 ] && grep -q /no/such/log err'

seq 20000 > many
stdin=many run "$launch" -q -n 2 --each --halt now,done=50 true
check "a_long_list_is_not_waited_for" [ "$took" -lt $((20000 * SLOW)) ]
{ echo first; while [ ! -s seen ]; do sleep 0.05; done; echo second; } | timeout 20 "$launch" -q --each sh -c 'echo $0 >> seen; echo $0' > out
check "an_input_is_run_when_it_is_there" [ "$(tr '\n' ' ' < out)" = "first second " ]
run bash -c "yes | '$launch' -q -n 2 --each echo | head -n 3"
check "an_endless_source_and_a_reader_that_goes" [ "$code-$(wc -l < out)" = 0-3 ]

run "$launch" -q -n 2 --each -k sh -c 'head -c 30000000 /dev/zero | tr "\0" $0; echo' ::: a b c
check "large_output_arrives_whole_and_in_order" [ "$(fold -w 30000000 out | cut -c 1 | tr -d '\n')-$(wc -c < out)" = abc-90000003 ]
if command -v parallel > /dev/null; then
    printf '%s\n' "it's" 'a  b' 'tab	x' '"q"' '\' '~' '$HOME' '`id`' 'ü' '' '#x' '!y' > nasty
    parallel --will-cite -k -j2 printf '%s.' {} < nasty > theirs 2> /dev/null
    stdin=nasty run "$launch" -q --each -k printf '%s.' {}
    check "nasty_inputs_arrive_as_with_GNU_parallel" cmp theirs out
    parallel --will-cite -k -j2 'echo {} {#}; cat < /dev/null' < nasty > theirs 2> /dev/null
    stdin=nasty run "$launch" -q --each -k 'echo {} {#}; cat < /dev/null'
    check "through_a_shell_too" cmp theirs out
fi
xargs -n 1 echo < numbers | sort > theirs
stdin=numbers run "$launch" --each echo
check "the_same_lines_as_xargs" diff theirs <(sort out)
for wrong in "--halt x" "--retries 0" "--timeout -1" "-j x" "--resume" "-d ab"; do
    # shellcheck disable=SC2086
    run "$launch" --each $wrong echo ran ::: 1
    check "wrong_${wrong// /_}_is_2" eval '[ $code -eq 2 ] && [ ! -s out ] && [ "$(wc -l < err)" -eq 1 ]'
done
run "$launch" -q --each "$launch" -q -n 2 echo ::: a b
check "a_job_may_be_a_launch" [ "$(sort out | uniq -c | tr -s ' ' | tr '\n' '|')" = " 2 a| 2 b|" ]
run bash -c "ulimit -n 64 && exec '$launch' -q --each -k echo ::: 1 2 3"
check "64_descriptors_are_enough_or_it_is_said" eval '[ "$(tr -d "\n" < out)" = 123 ] || [ -s err ]'
run bash -c "ulimit -n 64 && exec '$launch' -q -n 2 --each -k sh -c '[ \$0 = 1 ] && sleep 2; head -c 2000000 /dev/zero' ::: \$(seq 60)"
check "large_output_that_waits_for_its_turn_needs_few_descriptors" [ "$code-$(wc -c < out)" = 0-120000000 ]
run "$launch" -q --progress --each true ::: 1 2 3
check "progress_says_how_many_are_done" grep -q '3 of 3 done' err
finish
