#!/bin/bash
# Main under valgrind: it touches no byte that is not its own, and gives back what it took. A few cases of each kind; the
# whole list is for the sanitizer builds, which are faster. Workers under valgrind are in t0205-pool-programs.t.
. "$(dirname "$0")/lib.sh"

if ! command -v valgrind > /dev/null; then
    echo "1..0 # SKIP no valgrind"
    exit 0
fi
for c in map_gives_the_square_of_every_number map_of_variable_items_gives_each_its_own_bytes \
    failures_are_sorted_and_counted imap_from_takes_what_the_source_gives apply_async_copies_its_input \
    iterator_destroyed_early_leaves_the_pool_usable cancel_takes_back_what_was_not_begun max_tasks_replaces_workers \
    tasks_see_what_was_shared; do
    MPL_TEST_CHILD=1 MPL_TEST_SLOW=20 run timeout 120 valgrind -q --vgdb=no --leak-check=full \
        --suppressions="$MPL_SRC/scripts/valgrind.supp" \
        --show-leak-kinds=definite --errors-for-leak-kinds=definite --error-exitcode=99 --log-file="$T/vg.%p" \
        "$cases/pool_cases" "$c"
    cat "$T"/vg.* > found 2> /dev/null
    rm -f "$T"/vg.*
    if [ "$code" -eq 0 ] && ! grep -q '==' found && grep -q '^ok' out; then
        ok "$c"
    else
        not_ok "$c" "code $code"
        comment out err found
    fi
done

finish
