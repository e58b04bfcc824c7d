#!/bin/bash
# examples/sha256 prints what sha256sum prints: over this machine's own headers and documentation, and over files with
# names made to be difficult, with one worker, with two, and under mplaunch.
. "$(dirname "$0")/lib.sh"

sha256=$MPL_BUILD/examples/sha256
if [ ! -x "$sha256" ]; then
    echo "1..0 # SKIP the example was not built: no libcrypto"
    exit 0
fi
export LC_ALL=C

expect () { find "$@" -type f -print0 | sort -z | xargs -0 -r sha256sum > right; }

# Real input.
real=()
for dir in /usr/include /usr/share/doc; do
    [ -n "$(find $dir -type f -print -quit 2> /dev/null)" ] && real+=("$dir")
done
[ ${#real[@]} -gt 0 ] || real=("$MPL_SRC")
expect "${real[@]}"
echo "# $(wc -l < right) files"
for workers in 1 2; do
    run "$sha256" -w $workers "${real[@]}"
    check "${workers}_workers_print_what_sha256sum_prints" cmp right out
    check "with_${workers}_the_code_is_0_and_nothing_on_stderr" [ "$code-$(wc -c < err)" = 0-0 ]
done
run "$launch" -n 3 "$sha256" "${real[@]}"
check "so_do_three_under_mplaunch" cmp right out
check "and_its_code_is_0" [ "$code" -eq 0 ]

# Names made to be difficult, and sizes around the block of 64 bytes and the buffer of 64 KiB.
mkdir -p "odd/a folder/below" odd/empty
for size in 0 1 55 56 63 64 65 65535 65536 65537 1000000; do
    head -c $size /dev/zero | tr '\0' 'x' > odd/$size
done
echo 1 > "odd/a folder/below/ space "
echo 2 > odd/$'new\nline'
echo 3 > odd/'back\slash'
echo 4 > odd/$'both\\\n'
echo 5 > odd/$'\377 no UTF-8 \200'
echo 6 > odd/-w
# Older ones leave a carriage return as it is.
touch $'carriage\rreturn'
[ "$(sha256sum $'carriage\rreturn' | cut -c 1)" = '\' ] && mv $'carriage\rreturn' odd
ln -s 64 odd/link
ln -s . odd/circle
ln -s nowhere odd/broken
mkfifo odd/fifo
expect odd
for workers in 1 2; do
    run "$sha256" -w $workers odd
    check "difficult_names_are_printed_alike_by_$workers" cmp right out
done
run "$launch" -n 3 "$sha256" odd
check "and_under_mplaunch" cmp right out
run "$sha256" odd/empty
check "no_file_is_no_line" [ "$code-$(wc -c < out)" = 0-0 ]

# What goes wrong.
run "$sha256" missing odd
check "a_missing_folder_is_reported_and_the_rest_goes_on" cmp right out
check "with_code_1_and_its_name" grep -q '^1.*missing: No such file' <(echo "$code $(cat err)")
run "$sha256"
check "no_folder_is_wrong_usage" [ "$code" -eq 2 ]
run "$sha256" -w x odd
check "workers_are_a_number" [ "$code-$(grep -c workers err)-$(wc -c < out)" = 1-1-0 ]
"$sha256" odd > /dev/full 2> err
code=$?
check "a_full_disk_is_reported" [ "$code-$(grep -c 'No space left' err)" = 1-1 ]

# Root reads everything, unless it gives that up.
as_anyone=()
[ "$(id -u)" -eq 0 ] && as_anyone=(setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all)
echo secret > secret
chmod 000 secret
if "${as_anyone[@]}" true 2> /dev/null && ! "${as_anyone[@]}" cat secret > /dev/null 2>&1; then
    mv secret odd/64-secret
    for workers in 1 2; do
        run "${as_anyone[@]}" "$sha256" -w $workers odd
        check "an_unreadable_file_fails_alone_with_$workers" cmp right out
        check "with_code_1_and_the_reason ($workers)" grep -q '^1.*odd/64-secret: Permission denied' \
            <(echo "$code $(cat err)")
    done
else
    skip "an_unreadable_file_fails_alone" "nothing is unreadable here"
fi

finish
