#!/bin/bash
# What the documents say is so: the programs they show compile and print what is said, every public function has its page,
# tables of messages are those of the sources, and names of tests, functions, options and files exist.
. "$(dirname "$0")/lib.sh"
export LC_ALL=C
shopt -s lastpipe           # none, at the end of a pipe, counts in this shell

doc=$MPL_SRC/doc
examples=$doc/examples
header=$MPL_SRC/include/mplaunch.h

# none NAME: the findings are on standard input, one a line; none is a pass.
none () {
    if [ -z "$(tee findings)" ]; then
        ok "$1"
    else
        not_ok "$1" "$(wc -l < findings) findings"
        comment findings
    fi
}

# ---- the programs --------------------------------------------------------------------------------------------------

check "documents_show_the_examples_as_they_are" "$MPL_SRC/scripts/doc-examples" --check

# An instrumented library asks the same of its users.
read -r -a flags <<< "$(sed -n 's/^PROJECT_LDFLAGS = //p' "$MPL_BUILD/Makefile" | tr ' ' '\n' |
    grep -E '^(-fsanitize=.*|--coverage)$' | tr '\n' ' ')"
if [ -e "$MPL_BUILD/.libs/libmplaunch.so" ]; then
    libs=(-L"$MPL_BUILD/.libs" -lmplaunch -Wl,-rpath,"$MPL_BUILD/.libs")
else
    read -r -a libs <<< "$MPL_BUILD/.libs/libmplaunch.a $(pkg-config --libs libzmq) -pthread"
fi

for source in "$examples"/*.c; do
    name=$(basename "$source" .c)
    check "${name}_compiles_without_a_warning" ${CC:-cc} -O1 -Wall -Wextra -Werror "${flags[@]}" \
        -I"$MPL_SRC/include" "$source" -o "$T/$name" "${libs[@]}"
    [ -e "$examples/$name.out" ] || continue
    stdin=$examples/$name.in
    [ -e "$stdin" ] || stdin=/dev/null
    run "./$name"
    check "${name}_prints_what_it_should" diff "$examples/$name.out" out
    check "${name}_ends_well" [ "$code" -eq 0 ]
    [ "$name" = ranks ] && continue
    run "$launch" -n 2 "./$name"
    check "${name}_prints_the_same_under_mplaunch" diff "$examples/$name.out" out
done
stdin=/dev/null

run "$launch" -n 4 ./ranks
check "four_ranks_add_up" [ "$(awk '{ sum += $5 } END { print NR, sum }' out)" = "4 500500" ]
run ./processes
check "the_processes_of_a_pool_are_told" [ "$(sed 1d out | grep -cxE 'item [0-7]: worker [01], process [0-9]+, child of [0-9]+')" -eq 8 ]
check "workers_have_one_parent_that_is_not_main" \
    [ "$(sed -n 's/.*child of //p' out | sort -u | grep -vcx "$(sed -n 's/^main is process //p' out)")" -eq 1 ]
run ./init
check "code_before_mpl_init_runs_in_two_copies" [ "$(grep -c 'a copy of the program begins' err)" -eq 2 ]

# ---- the manual ----------------------------------------------------------------------------------------------------

declared () {
    tr -s ' \n\t' ' ' < "$header" | grep -oE 'MPL_EXPORT [^;(]*\(' | grep -oE 'mpl_[a-z0-9_]+ ?\($' | tr -d ' (' | sort -u
}

named () {
    sed -n 's/^\.Nm \(mpl_[a-z_]*\).*/\1/p' "$1"
}

aliases () {
    sed -n 's/^\t\(mpl_[a-z_]*:mpl_[a-z_]*\).*/\1/p' "$doc/Makefile.inc"
}

check "there_are_functions_to_look_for" [ "$(declared | wc -l)" -gt 30 ]
comm -3 <(declared) <(for page in "$doc"/man/mpl_*.3; do named "$page"; done | sort) |
    none "every_public_function_has_one_page"
comm -3 <(declared) <({ aliases | cut -d : -f 2; ls "$doc/man" | grep '^mpl_'; } | sed 's/\.3$//' |
    grep -vx -e mpl_call -e mpl_future | sort) | none "man_finds_every_public_function"
aliases | while IFS=: read -r page function; do
    named "$doc/man/$page.3" | grep -qx "$function" || echo "$function is not in $page"
done | none "under_the_page_that_tells_of_it"
for page in "$doc"/man/*; do
    grep -q '^\.Sh EXAMPLES' "$page" && grep -q '^\.\\" example: ' "$page" || echo "$page"
done | none "every_page_has_an_example"

if command -v mandoc > /dev/null; then
    for page in "$doc"/man/*; do
        mandoc -T lint "$page" 2> /dev/null | grep -v 'referenced manual not found'
    done | none "mandoc_finds_nothing"
else
    skip "mandoc_finds_nothing" "no mandoc"
fi
if command -v groff > /dev/null; then
    for page in "$doc"/man/*; do
        groff -mandoc -Kutf8 -Tutf8 -ww -z "$page" 2>&1
    done | none "groff_finds_nothing"
else
    skip "groff_finds_nothing" "no groff"
fi

"$launch" --help | grep -oE '(^|[ ,|[])--?[a-z]+(-[a-z]+)*' | grep -oE -- '--?[a-z]+(-[a-z]+)*' | sort -u | while read -r option; do
    grep -qE "Fl ${option#-}( |\$|,)" "$doc/man/mplaunch.1" || echo "$option"
done | none "every_option_of_mplaunch_is_in_its_page"
"$MPL_BUILD/mpworker" --help | grep -oE -- '--[a-z-]+' | sort -u | grep -vx -- --help | while read -r option; do
    grep -qE "Fl ${option#-}( |\$)" "$doc/man/mpworker.1" || echo "$option"
done | none "every_option_of_mpworker_is_in_its_page"
grep -oE '\{ "[a-z-]+", (required|no)_argument' "$MPL_SRC/worker/mpworker.c" | cut -d '"' -f 2 | while read -r option; do
    grep -q -- "-$option" "$doc/man/mpworker.1" || echo "--$option"
done | none "also_those_its_help_does_not_tell"

# ---- the messages --------------------------------------------------------------------------------------------------

# Records: name and number, from the enumeration and from the table.
sed -n '/MPL__HELLO = 1,/,/};/p' "$MPL_SRC/wire/record.h" | grep -oE 'MPL__[A-Z_]+( = [0-9]+)?' |
    awk '{ n = NF > 1 ? $3 : n + 1; print $1, n }' | sort > right
sed -n 's/^| `\(MPL__[A-Z_]*\)` | \([0-9]*\) | \(worker to broker\|broker to worker\) .*/\1 \2/p' "$doc/wire.md" | sort > said
check "records_are_those_of_the_source" [ -s right ]
check "with_their_numbers" diff right said
# Their header: offset and bits of each field, as the encoder writes it.
sed -n 's/^ *mpl__put\([0-9]*\) (to + \([0-9]*\), \((uint32_t) \)\{0,1\}record->\([a-z]*\));/\2 \1 `\4`/p
    s/^ *to\[\([0-9]\)\] = record->\([a-z]*\);/\1 8 `\2`/p' "$MPL_SRC/wire/record.c" | sort > right
sed -n 's/^| \([0-9][0-9]*\) | \([0-9]*\) | \(`[a-z]*`\) .*/\1 \2 \3/p' "$doc/wire.md" | sort > said
check "the_header_of_a_record_is_as_it_is_written" diff right said

# Control messages: number, fields in their order, text, descriptors, as in the table of control.c.
numbers=$(sed -n '/MPL__C_HELLO = 1,/,/MPL__C_N/p' "$MPL_SRC/wire/control.h" | grep -oE '^ +MPL__C_[A-Z_]+' | tr -d ' ' |
    awk '{ print $1, NR }')
sed -n 's/^ *\[\(MPL__C_[A-Z_]*\)\] = { { \(.*\) }, \([0-9]\), \([01]\), \([0-9]\) },/\1|\2|\3|\4|\5/p' \
    "$MPL_SRC/wire/control.c" | while IFS='|' read -r name fields n text fds; do
        [ "$n" = 0 ] && fields= || fields=$(echo "$fields" | sed 's/F (\([a-z_]*\))/\1/g')
        [ "$text" = 1 ] && text=yes || text=no
        echo "$name $(echo "$numbers" | awk -v name="$name" '$1 == name { print $2 }')|$fields|$text|$fds"
    done | sort > right
sed -n 's/^| `\(MPL__C_[A-Z_]*\)` | \([0-9]*\) | \(.*\) | \(yes\|no\) | \([0-9]\) | .*/\1 \2|\3|\4|\5/p
    s/^| `\(MPL__C_[A-Z_]*\)` | \([0-9]*\) | | \(yes\|no\) | \([0-9]\) | .*/\1 \2||\3|\4/p' "$doc/wire.md" | sort > said
check "control_messages_are_those_of_the_source" diff right said
check "all_of_them" [ "$(wc -l < right)" -eq "$(echo "$numbers" | grep -vc MPL__C_N)" ]

# What a broker hears and says: number, fields, longest body.
numbers=$(sed -n '/MPL__B_JOIN = 1,/,/MPL__B_N/p' "$MPL_SRC/wire/board.h" | grep -oE '^ +MPL__B_[A-Z_]+' | tr -d ' ' |
    awk '{ print $1, NR }')
sed -n 's/^ *\[\(MPL__B_[A-Z_]*\)\] = { { \(.*\) }, \([0-9]\), \([A-Z_0-9]*\) },/\1|\2|\3|\4/p' "$MPL_SRC/wire/board.c" |
    while IFS='|' read -r name fields n body; do
        [ "$n" = 0 ] && fields= || fields=$(echo "$fields" | sed 's/F (\([a-z_]*\))/\1/g')
        case $body in MPL__BOARD_TEXT) body=512 ;; MPL__BOARD_DATA) body=65536 ;; esac
        echo "$name $(echo "$numbers" | awk -v name="$name" '$1 == name { print $2 }')|$fields|$body"
    done | sort > right
sed -n 's/^| `\(MPL__B_[A-Z_]*\)` | \([0-9]*\) | \(.*\) | \([0-9]*\) | .*/\1 \2|\3|\4/p
    s/^| `\(MPL__B_[A-Z_]*\)` | \([0-9]*\) | | \([0-9]*\) | .*/\1 \2||\3/p' "$doc/wire.md" | sort > said
check "messages_of_a_broker_are_those_of_the_source" diff right said
check "and_none_is_missing" [ "$(wc -l < right)" -eq "$(echo "$numbers" | grep -vc MPL__B_N)" ]
for program in mpbroker; do
    "$MPL_BUILD/$program" --help | grep -oE -- '--[a-z-]+' | sort -u | grep -vxE -- '--(join|attach)' | while read -r option; do
        grep -qE "Fl ${option#-}( |\$|,)" "$doc/man/$program.1" || echo "$option"
    done
done | none "every_option_of_mpbroker_is_in_its_page"

# ---- names ---------------------------------------------------------------------------------------------------------

# A word in backticks with two underscores or more is a promise that some test makes; CPython's begin with test_.
grep -ohE '`[a-z][A-Za-z0-9]*(_[A-Za-z0-9]+){2,}`' "$doc/failures.md" "$doc/python-tests.md" | tr -d '`' | sort -u |
    grep -vE '^(test|mpl)_' > names
cat "$MPL_SRC"/tests/system/*.c "$MPL_SRC"/tests/system/*.t "$MPL_SRC"/scripts/lint |
    sed 's/leaves_nothing_\$i/leaves_nothing_1/; s/no_more_\${kind}_in_\$in/no_more_fds_in_main/' > sources
check "documents_name_tests" [ "$(wc -l < names)" -gt 50 ]
while read -r name; do
    grep -qw -- "$name" sources || echo "$name"
done < names | none "and_every_one_of_them_exists"

cat "$MPL_SRC/README.md" "$doc"/*.md "$doc"/man/* | grep -oE '\bmpl_[a-z]+[a-z_]*\b' | sort -u | while read -r name; do
    grep -qwr "$name" "$header" "$MPL_SRC"/wire "$doc/man/$name.3" 2> /dev/null || echo "$name"
done | grep -vxE 'mpl_(call|pool|future|iter)_|mpl_err_t' | none "every_name_of_ours_exists"

# A constant that a document names, and a file or folder in backticks.
cat "$doc"/design.md "$doc"/wire.md | grep -oE '`[A-Z]+_[A-Z_]*`' | tr -d '`' | sort -u | while read -r name; do
    grep -qwrE "$name" "$MPL_SRC"/{base,wire,conf,broker,worker,pool,launcher} || echo "$name"
done | none "every_constant_exists"
cat "$MPL_SRC/README.md" "$doc"/*.md | grep -oE '`(base|wire|broker|worker|pool|launcher|doc|tests|scripts|examples|bench|include)/[A-Za-z0-9_./-]*' |
    tr -d '`' | sort -u | while read -r path; do
        [ -e "$MPL_SRC/$path" ] || [ -e "$MPL_SRC/$path.c" ] || echo "$path"
    done | none "every_file_exists"
(cd "$MPL_SRC" && find doc -type f ! -name Makefile.inc) | while read -r path; do
    sed 's/#.*//' "$doc/Makefile.inc" | tr -s ' \t' '\n' | grep -qxF "$path" || echo "$path is not in doc/Makefile.inc"
done | none "every_document_is_in_the_package"

finish
