#!/bin/bash
# Where lines go: with -l each begins with its rank, and is still whole; with --output each rank has a file for each stream; with --tee it is
# printed as well. Without a label every byte arrives as it was, and lines of any length stay whole.
. "$(dirname "$0")/lib.sh"

run "$launch" --oversubscribe -n 3 -l sh -c 'echo "I am $MPL_RANK"; echo "error of $MPL_RANK" >&2'
check "each_line_has_its_rank" [ "$(sort out | tr '\n' '|')" = "[0] I am 0|[1] I am 1|[2] I am 2|" ]
check "on_stderr_too" [ "$(sort err | tr '\n' '|')" = "[0] error of 0|[1] error of 1|[2] error of 2|" ]
for option in --tag --tag-output -prepend-rank; do
    run "$launch" -q -n 2 $option echo x
    check "${option#-}_is_l" [ "$(sort out | tr '\n' '|')" = "[0] x|[1] x|" ]
done
run "$launch" -q -n 2 -l printf 'one\ntwo'
check "a_label_gives_the_last_line_its_end" [ "$(sort out | tr '\n' '|')" = "[0] one|[0] two|[1] one|[1] two|" ]
run "$launch" -q -n 2 -l printf '\n\n'
check "empty_lines_have_labels" [ "$(sort out | tr '\n' '|')" = "[0] |[0] |[1] |[1] |" ]

cat > flood.sh <<'END'
awk -v r="$MPL_RANK" 'BEGIN { for (i = 0; i < 300000; i++) print r, i }'
END
run "$launch" -q -n 4 -l sh flood.sh
check "a_flood_of_labelled_lines_is_whole_and_in_order" awk '
    $0 !~ /^\[[0-3]\] [0-3] [0-9]+$/ || $1 != "[" $2 "]" || $3 != next_of[$2] + 0 { exit 1 }
    { next_of[$2]++ }
    END { for (r = 0; r < 4; r++) if (next_of[r] != 300000) exit 1 }' out

cat > long.sh <<'END'
if [ "$MPL_RANK" = 0 ]; then head -c 5000000 /dev/zero | tr '\0' a; echo; else awk 'BEGIN { for (i = 0; i < 50000; i++) print "b" }'; fi
END
run "$launch" -q -n 3 sh long.sh
check "a_line_of_5_MB_is_not_broken_by_others" [ "$(grep -c '^a*$' out)-$(grep -c '^b$' out)-$(wc -l < out)" = 1-100000-100001 ]
run "$launch" -q -n 3 -l sh long.sh
check "nor_with_labels" [ "$(grep -cE '^\[0\] a*$' out)-$(grep -cE '^\[[12]\] b$' out)-$(wc -l < out)" = 1-100000-100001 ]
run "$launch" -q -n 2 sh -c 'if [ $MPL_RANK = 0 ]; then head -c 200000 /dev/zero | tr "\0" a; sleep 60; else sleep 0.3; echo other; fi' &
wait_until 20 grep -q other out
check "who_never_ends_a_long_line_does_not_hold_up_others" grep -q other out
kill_marked
wait

head -c 3000000 /dev/urandom > bytes
run "$launch" -n 1 cat bytes
check "binary_data_arrives_as_it_was" cmp -s out bytes
run "$launch" -q -n 2 sh -c '[ $MPL_RANK = 1 ] || cat bytes'
check "from_one_of_several_too" cmp -s out bytes
run "$launch" -n 1 printf 'no end'
check "and_gets_no_end_that_it_had_not" [ "$(od -An -c out | tr -d ' \n')" = "noend" ]

run "$launch" -q -n 3 --output there sh -c 'echo "out $MPL_RANK"; echo "err $MPL_RANK" >&2'
check "each_rank_has_its_files" [ "$(cat there/0.out there/1.out there/2.out there/2.err | tr '\n' '|')" = "out 0|out 1|out 2|err 2|" ]
check "and_no_other_is_there" [ "$(find there -type f | wc -l)" -eq 6 ]
check "and_nothing_is_printed" [ ! -s out ]
run "$launch" -q -n 2 --output there echo again
check "files_are_begun_anew" [ "$(cat there/0.out)" = again ]
run "$launch" -q -n 2 --output there --tee -l sh -c 'echo "out $MPL_RANK"; printf "err" >&2'
check "tee_prints_as_well" [ "$(sort out err | tr '\n' '|')" = "[0] err|[0] out 0|[1] err|[1] out 1|" ]
check "and_the_files_have_the_bytes_alone" [ "$(cat there/0.out there/1.out there/1.err | tr '\n' '|')" = "out 0|out 1|err" ]
run "$launch" -q -n 2 --output there/0.out/x true
check "a_folder_that_cannot_be_made_is_said" eval '[ "$code" -eq 125 ] && grep -q there/0.out/x err'
run "$launch" -q -n 2 --output /proc true
check "nor_a_file_that_cannot_be" eval '[ "$code" -eq 125 ] && grep -q /proc/0.out err'

# A reader that is stopped for a while: what waits is bounded, nothing is lost.
mkfifo pipe
head -c 40000000 /dev/zero | tr '\0' x | fold -w 99 > big
start bash -c "exec '$launch' -q -n 2 cat big > pipe"
exec 9< pipe
sleep 1
peak=0
for p in $(marked_as mplaunch) $(marked_as mpworker); do peak=$((peak + $(awk '/VmHWM/ { print $2 }' "/proc/$p/status"))); done
check "what_waits_for_a_slow_reader_is_bounded" eval '[ "$peak" -gt 0 ] && [ "$peak" -lt $((32000 * SLOW)) ]'
check "and_all_of_it_comes" [ "$(wc -c <&9)" -eq $((2 * $(wc -c < big))) ]
exec 9<&-
end_of "$pid" 5
rm -f big bytes pipe
finish
