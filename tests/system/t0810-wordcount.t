#!/bin/bash
# examples/wordcount counts what wc counts: over this machine's own headers and documentation, and over files made to be
# difficult, with one worker, with two, and under mplaunch.
. "$(dirname "$0")/lib.sh"

wordcount=$MPL_BUILD/examples/wordcount
if ! command -v python3 > /dev/null; then
    echo "1..0 # SKIP no python3 to tell which files are text"
    exit 0
fi
export LC_ALL=C

# The files below some folders that are text, each ended by a NUL: none in their first 8 KiB.
texts_below () {
    find "$@" -type f -print0 | python3 -c '
import sys
for path in sys.stdin.buffer.read().split(b"\0")[:-1]:
    with open(path, "rb") as file:
        if b"\0" not in file.read(8192):
            sys.stdout.buffer.write(path + b"\0")'
}

# Lines, words, bytes and path of each file of a NUL-separated list, and the total, as wc prints them. From 9.5 on coreutils
# takes unprintable bytes for a word; then it cannot be asked and Python counts as it used to.
count_them () {
    if [ "$(printf '\200' | wc -w)" = 0 ]; then
        wc --files0-from=- | sed 's/^ *\([0-9]*\) *\([0-9]*\) *\([0-9]*\) /\1 \2 \3 /'
    else
        python3 -c '
import re, sys
total = [0, 0, 0]
for path in sys.stdin.buffer.read().split(b"\0")[:-1]:
    data = open(path, "rb").read()
    words = sum(1 for word in re.findall(rb"[^ \t-\r]+", data) if re.search(rb"[!-~]", word))
    counts = [data.count(b"\n"), words, len(data)]
    total = [a + b for a, b in zip(total, counts)]
    sys.stdout.buffer.write(b"%d %d %d %s\n" % (*counts, path))
print(*total, "total")'
    fi
}

# expect DIR...: fills `right` with what wordcount shall print, `right.total` with its last line.
expect () {
    texts_below "$@" > list
    if [ "$(tr -cd '\0' < list | wc -c)" -eq 0 ]; then
        echo "0 0 0 total" > right.total
        : > right.each
    else
        # A list of one file alone has no total; an empty one besides changes nothing.
        { printf '/dev/null\0'; cat list; } | count_them > right.all
        tail -n 1 right.all > right.total
        sed '1d; $d' right.all > right.each
    fi
    { sort -k2,2nr -k4 right.each | head -n 10; cat right.total; } > right
}

# Real input.
real=()
for dir in /usr/include /usr/share/doc; do
    [ -n "$(find $dir -type f -print -quit 2> /dev/null)" ] && real+=("$dir")
done
[ ${#real[@]} -gt 0 ] || real=("$MPL_SRC")
expect "${real[@]}"
comment right.total
for workers in 1 2; do
    run "$wordcount" -w $workers "${real[@]}"
    check "${workers}_workers_count_what_wc_counts" diff right out
    check "with_${workers}_the_code_is_0_and_nothing_on_stderr" [ "$code-$(wc -c < err)" = 0-0 ]
done
run "$wordcount" "${real[@]}"
check "so_does_the_default_number" diff right out
run "$launch" -n 3 "$wordcount" "${real[@]}"
check "so_do_three_under_mplaunch" diff right out
check "and_its_code_is_0" [ "$code" -eq 0 ]

# Files made to be difficult. A word lies across the end of the buffer of 64 KiB; a NUL is just within the first 8 KiB, and
# just behind them.
mkdir -p "odd/empty folder/below" odd/deeper
: > odd/empty
printf 'no newline at the end' > odd/unended
printf 'tab\tvertical\vform\ffeed\rreturn  spaces \n\n \n' > odd/spaces
printf '\001\002 \200\377 \177 a\200b \033[1mbold\033[0m \303\251t\303\251 \342\200\224\n' > odd/unprintable
{ head -c 65530 /dev/zero | tr '\0' ' '; printf 'across-the-edge here'; } > odd/edge
head -c 300000 /dev/zero | tr '\0' 'x' > "odd/one long word"
{ head -c 8191 /dev/zero | tr '\0' 'y'; printf '\0'; } > odd/binary
{ head -c 8192 /dev/zero | tr '\0' 'y'; printf '\0z z\n'; } > odd/text-after-all
printf 'a b\n' > odd/-q
printf 'c d\n' > "odd/empty folder/below/ space"
ln -s unended odd/link
ln -s .. odd/deeper/up
ln -s nowhere odd/deeper/broken
mkfifo odd/fifo
expect odd
for workers in 1 2; do
    run "$wordcount" -w $workers odd
    check "difficult_files_are_counted_right_by_$workers" diff right out
done
run "$launch" -n 3 "$wordcount" odd
check "and_under_mplaunch" diff right out

run "$wordcount" -q odd
check "quiet_is_the_total_alone" diff right.total out
run "$wordcount" -t odd
check "time_is_one_line_on_stderr" grep -qxE 'elapsed [0-9]+\.[0-9]{3}' err
check "and_changes_nothing_else" diff right out
run "$wordcount" --progress --workers 2 odd
n_files=$(find odd -type f -printf . | wc -c)
check "progress_ends_with_all_of_the_files" grep -qF "$n_files of $n_files" err
check "and_prints_the_same" diff right out

mkdir nothing
run "$wordcount" nothing
check "an_empty_folder_has_a_total_of_0" [ "$code-$(cat out)" = "0-0 0 0 total" ]
run "$wordcount" -q nothing odd/binary
check "so_has_one_binary_file" [ "$code-$(cat out)" = "0-0 0 0 total" ]

# What goes wrong.
run "$wordcount" -q odd missing
check "a_missing_folder_is_reported_and_the_rest_counted" diff right.total out
check "with_code_1_and_its_name" grep -q '^1.*missing: No such file' <(echo "$code $(cat err)")
run "$wordcount"
check "no_folder_is_wrong_usage" [ "$code" -eq 2 ]
run "$wordcount" -w x odd
check "workers_are_a_number" [ "$code-$(grep -c workers err)-$(wc -c < out)" = 1-1-0 ]
"$wordcount" odd > /dev/full 2> err
code=$?
check "a_full_disk_is_reported" [ "$code-$(grep -c 'No space left' err)" = 1-1 ]

# Root reads everything, unless it gives that up.
as_anyone=()
[ "$(id -u)" -eq 0 ] && as_anyone=(setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all)
printf 'secret words\n' > secret
chmod 000 secret
if "${as_anyone[@]}" true 2> /dev/null && ! "${as_anyone[@]}" cat secret > /dev/null 2>&1; then
    mv secret odd/secret
    run "${as_anyone[@]}" "$wordcount" -w 2 -q odd
    check "an_unreadable_file_is_reported_and_the_rest_counted" diff right.total out
    check "with_code_1_and_the_reason" grep -q '^1.*odd/secret: Permission denied' <(echo "$code $(cat err)")
else
    skip "an_unreadable_file_is_reported_and_the_rest_counted" "nothing is unreadable here"
fi

finish
