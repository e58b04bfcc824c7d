#!/bin/bash
# Strangers at the door of a pool: thousands of connections that are no worker's, while a map runs. None is let in, the results are
# right, and main neither grows nor keeps descriptors. t0311-strangers.t [COUNT], 1000 otherwise.
. "$(dirname "$0")/lib.sh"
count=${1:-1000}
mkdir bin
cp "$MPL_SRC/tests/system/stand-in-ssh" bin/stand-in-ssh
# What the launcher tells the agent is kept: the door's public key and addresses are in it.
cat > bin/ssh <<'END'
#!/bin/bash
exec "${0%/*}/stand-in-ssh" "$@" < <(exec tee "$TOLD.$$")
END
chmod +x bin/ssh
export PATH=$T/bin:$PATH TOLD=$T/told STAND_IN_LOG=$T/ssh

rss () { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
n_fds () { find "/proc/$1/fd" -mindepth 1 2> /dev/null | wc -l; }

start env MPL_TEST_DIR="$T" "$launch" -H a:2,b:2 "$cases/far_cases" --sub until "$T/stop"
check "a_pool_is_at_work" wait_until 10 test -s begun
main=$(cat begun)
cat told.* > told
door=$(LC_ALL=C grep -aoE '[^[:cntrl:] ]{40} tcp://[0-9.]+:[0-9]+' told | head -1)
key=${door%% *} address=${door##* }
check "its_door_is_found" [ "${#key}" -eq 40 ]

strangers () { timeout $((60 * SLOW)) "$MPL_BUILD/tests/fault/garbage" "$address" "$key" "$1" > strangers; }
strangers 200
check "strangers_are_not_let_in" grep -qx "200 connections, 0 let in" strangers
before=$(rss "$main") fds=$(n_fds "$main")
began=$(date +%s%3N)
strangers "$count"
took=$(($(date +%s%3N) - began))
comment strangers
check "however_many_they_are" grep -qx "$count connections, 0 let in" strangers
after=$(rss "$main")
echo "# main has $before kB before, $after kB after, in $took ms"
if [ "$SLOW" -gt 1 ]; then
    skip "main_does_not_grow" "a sanitizer keeps what was freed"
else
    check "main_does_not_grow" [ "$after" -lt $((before + 6144)) ]
fi
check "and_keeps_no_descriptor_of_theirs" wait_until 8 eval '[ "$(n_fds "$main")" -le "$fds" ]'
touch stop
check "the_maps_come_to_their_end" end_of "$pid" 10
check "all_of_them_right" [ "${code:-}-$(cat out)" = "0-several maps, 0 wrong" ]
check "and_without_a_word" [ ! -s err ]

finish
