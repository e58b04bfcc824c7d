#!/bin/bash
# Four processes that all print as fast as they can: every line comes out whole, each process's lines in their order, the
# last one though it has no newline, and what was printed just before a crash. A reader that goes away, or a disk that is
# full, ends the job with a sentence and not with a hang.
. "$(dirname "$0")/lib.sh"

cat > lines.sh <<'END'
awk -v r="$MPL_RANK" 'BEGIN {
    pad = sprintf ("%200s", ""); gsub (" ", r, pad)
    for (i = 0; i < 10000; i++) printf "%d %05d %s\n", r, i, pad
}'
END
run "$launch" -n 4 sh lines.sh
check "every_line_is_there" n_lines out 40000
for r in 0 1 2 3; do MPL_RANK=$r sh lines.sh; done > right
check "none_is_broken" diff -q <(sort right) <(sort out)
for r in 0 1 2 3; do
    check "those_of_rank_${r}_are_in_order" sort -c -k 2,2 <(grep "^$r " out)
done

run "$launch" --oversubscribe -n 4 sh -c 'sh lines.sh 1>&2'
check "stderr_is_carried_line_by_line_too" diff -q <(sort right) <(sort err)
check "and_stays_stderr" [ ! -s out ]

run "$launch" -n 3 sh -c 'printf "%s without an end" $MPL_RANK'
check "the_last_line_needs_no_newline" [ "$(grep -o '[0-2] without an end' out | sort | tr '\n' ' ')" \
    = "0 without an end 1 without an end 2 without an end " ]

run "$launch" -n 2 sh -c 'head -c 1000000 /dev/zero | tr "\0" "$MPL_RANK"; echo'
check "lines_of_1_MB_come_whole" [ "$(grep -cE '^(0+|1+)$' out)-$(wc -c < out)" = 2-2000002 ]

run "$launch" -n 1 sh -c 'head -c 100000 /bin/bash; echo'
check "bytes_are_left_as_they_are" cmp out <(head -c 100000 /bin/bash; echo)

run "$launch" -n 2 sh -c 'echo "last words of $MPL_RANK"; kill -KILL $$'
check "last_words_are_not_lost" grep -q '^last words of [01]$' out

run "$launch" -n 2 sh -c 'echo now; sleep 0.2; exec 1>&-; sleep 0.2; exit 4'
check "a_process_that_closes_its_output_lives_on" [ "$code-$(grep -c now out)" = 4-2 ]

start "$launch" -n 2 sh -c 'echo "$MPL_RANK is here"; sleep 60'
check "a_line_comes_when_it_is_printed" wait_until 5 n_lines out 2
kill -KILL "$pid"
wait "$pid" 2> /dev/null
check "until_the_end" wait_until 2 none_marked

run bash -c "'$launch' -n 2 yes | head -n 3"
check "a_reader_that_goes_away_ends_it" [ "$code-$((took < 10000 * SLOW))" = 0-1 ]
check "with_nothing_left" wait_until 3 none_marked

run bash -c "'$launch' -n 2 echo hello > /dev/full"
check "a_full_disk_is_an_error" [ "$code" -ne 0 ]
check "and_is_said" grep -qiE 'space|full|write' err

head -c 20000000 /dev/zero | tr '\0' x | fold -w 99 > big
start "$launch" -n 2 cat big
sleep 0.3
check "much_output_ends" end_of "$pid" 30
check "and_is_complete" [ "$(wc -c < out)" -eq $((2 * $(wc -c < big))) ]

finish
