#!/bin/bash
# A libzmq that lets strangers in is found out before anything listens: by a pool with workers on other hosts, and by mpbroker.
. "$(dirname "$0")/lib.sh"

CC=${CC:-cc}
if ! $CC -shared -fPIC -O1 -o "$T/open-door.so" "$MPL_SRC/tests/fault/open-door.c" -ldl 2> err; then
    comment err
    echo "1..0 # SKIP no compiler"
    exit 0
fi
mkdir bin
cp "$MPL_SRC/tests/system/stand-in-ssh" bin/ssh
export PATH=$T/bin:$PATH STAND_IN_LOG=$T/ssh

run timeout 20 env LD_PRELOAD="$T/open-door.so" "$MPL_BUILD/mpbroker" --cert c
check "mpbroker_does_not_listen" eval '[ $code -eq 125 ] && [ ! -s out ]'
check "and_says_why" grep -q "lets a stranger without a key in where it must not" err
check "nor_makes_a_certificate" [ ! -e c ]
touch stop
run timeout 60 env LD_PRELOAD="$T/open-door.so" MPL_TEST_DIR="$T" "$launch" -H a:2,b:2 "$cases/far_cases" --sub until "$T/stop"
check "a_pool_does_not_either" eval '[ $code -ne 0 ] && grep -q "lets a stranger without a key in where it must not" err'
run env MPL_TEST_DIR="$T" "$launch" -H a:2,b:2 "$cases/far_cases" --sub until "$T/stop"
check "with_the_real_one_it_does" [ $code -eq 0 ]
finish
