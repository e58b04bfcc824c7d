#!/bin/bash
# Standard input goes to one rank, byte for byte and never read ahead, to all of them, or to none.
. "$(dirname "$0")/lib.sh"

head -c 20000000 /dev/urandom > bytes
sum=$(cksum < bytes)
stdin=bytes run "$launch" -q -n 3 sh -c '[ "$(cksum)" != "'"$sum"'" ] || echo $MPL_RANK'
check "rank_0_has_it_and_all_of_it" [ "$(cat out)" = 0 ]
stdin=bytes run "$launch" -q -n 3 --stdin 2 sh -c '[ "$(cksum)" != "'"$sum"'" ] || echo $MPL_RANK'
check "or_the_rank_that_is_named" [ "$(cat out)" = 2 ]
stdin=bytes run "$launch" -q -n 3 --stdin all sh -c '[ "$(cksum)" != "'"$sum"'" ] || echo $MPL_RANK'
check "or_all_of_them" [ "$(sort out | tr '\n' ' ')" = "0 1 2 " ]
cat bytes | { "$launch" -q -n 3 --stdin all sh -c '[ "$(cksum)" != "'"$sum"'" ] || echo $MPL_RANK' > out 2> err; }
check "also_from_a_pipe" [ "$(sort out | tr '\n' ' ')" = "0 1 2 " ]
stdin=bytes run "$launch" -q -n 3 --stdin none wc -c
check "or_nobody" [ "$(sort -u out)" = 0 ]
stdin=bytes run "$launch" -q -n 4 --stdin all sh -c 'case $MPL_RANK in 0) head -c 10 > /dev/null;; 1) exec 0<&-; sleep 0.1;; *) [ "$(cksum)" != "'"$sum"'" ] || echo $MPL_RANK;; esac'
check "who_stops_reading_keeps_nobody_waiting" [ "$(sort out | tr '\n' ' ')" = "2 3 " ]
run "$launch" -q -n 2 --stdin all sh -c 'exit 3'
check "nor_who_never_reads" [ "$code" -eq 3 ]

# What a rank leaves is there for whoever comes next.
printf '1\n2\n3\n' > numbers
check "nothing_is_read_ahead" [ "$({ "$launch" -n 1 sh -c 'read x; echo got $x'; "$launch" -n 1 true; "$launch" -q -n 2 --stdin none cat; read -r y; echo "left $y"; } < numbers | tr '\n' '|')" = "got 1|left 2|" ]
check "it_is_the_descriptor_itself" [ "$("$launch" -q -n 2 sh -c '[ $MPL_RANK = 1 ] || readlink /proc/self/fd/0' < numbers)" = "$PWD/numbers" ]

# A writer learns that nobody reads any more, though the launch goes on.
{ yes; echo over > written; } 2> /dev/null | "$launch" -q -n 2 sh -c 'exec 0<&-; while [ ! -e go ]; do sleep 0.05; done' &
check "a_writer_that_nobody_reads_learns_it" wait_until 5 test -e written
echo > go
wait
finish
