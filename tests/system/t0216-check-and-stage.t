#!/bin/bash
# Hosts are tried before they are used (--check), and files are copied to those that do not have them (--stage). ssh is a stand-in.
. "$(dirname "$0")/lib.sh"
mkdir bin
cp "$MPL_SRC/tests/system/stand-in-ssh" bin/ssh
export PATH=$T/bin:$PATH STAND_IN_LOG=$T/ssh

# ---- --check -------------------------------------------------------------------------------------------------------

line () { tr -s ' ' < out | grep "^$1 "; }
run "$launch" --check -H localhost,a,b true
check "hosts_that_are_well_make_0" [ $code -eq 0 ]
check "each_has_a_line" [ "$(grep -cE '^(localhost|a|b) +yes ' out)" -eq 3 ]
check "with_its_cores_and_what_was_tried" eval '[ "$(line a | cut -d " " -f 4)" = "$(nproc)" ] && [ "$(line a | cut -d " " -f 7-)" = "yes yes yes" ]'
check "and_the_version_of_mpworker" [ "$(line a | cut -d ' ' -f 3)" = "$("$MPL_BUILD/mpworker" --version | cut -d ' ' -f 2)" ]
check "the_first_is_where_main_would_be" [ "$(line localhost | cut -d ' ' -f 7-)" = "yes main main" ]
run "$launch" --check -H a,refused,empty,b true
check "some_that_are_not_make_125" [ $code -eq 125 ]
check "and_the_others_are_tried_all_the_same" eval '[ "$(line b | cut -d " " -f 7-)" = "yes yes yes" ]'
check "the_causes_are_told" eval 'grep -q "^refused: .*Connection refused" out && grep -q "^empty: .*mpworker is found neither" out'
run "$launch" --check -H a no-such-program
check "a_program_that_is_not_there_is_told" eval '[ $code -eq 125 ] && grep -q "^a: .*no-such-program" out && [ "$(line a | cut -d " " -f 7)" = NO ]'
run "$launch" --check -H a,b
check "without_a_program_the_hosts_are_tried" eval '[ $code -eq 0 ] && [ "$(line b | cut -d " " -f 7-)" = "- yes yes" ]'
run "$launch" --check -H a,b -n 1 true : -n 1 -H b no-such-program
check "each_program_is_looked_for_where_it_may_run" eval '[ $code -eq 125 ] && grep -q "^b: .*no-such-program" out && ! grep -q "^a: " out'
run "$launch" --check -H a --wdir /no/such true
check "a_folder_that_is_not_there_is_told" eval '[ $code -eq 125 ] && grep -q "^a: the folder /no/such to run in" out'
mkdir home-of-a
printf '#!/bin/sh\n' > home-of-a/own
chmod 755 home-of-a/own
printf 'hosts:\n  - {name: a, slots: 1, workdir: "~/home-of-a"}\n' > c.yaml
HOME=$T run "$launch" --check -f c.yaml ./own
check "a_program_in_its_folder_is_found" [ $code -eq 0 ]
cp home-of-a/own staged
run "$launch" --check -H a --wdir /usr --stage ./staged ./staged
check "one_that_is_copied_there_is_not_looked_for" eval '[ $code -eq 0 ] && [ "$(line a | cut -d " " -f 7)" = staged ]'
printf 'hosts: [a, b]\ntransport: {tunnel: ssh}\n' > c.yaml
run "$launch" --check -f c.yaml true
check "nor_is_a_port_tried_where_ssh_alone_passes" eval '[ $code -eq 0 ] && [ "$(line b | cut -d " " -f 7-)" = "yes tunnel tunnel" ]'
printf 'hosts: [a, b]\ntransport: {interface: eth99}\n' > c.yaml
run "$launch" --check -f c.yaml
check "an_interface_that_is_not_there_too" eval '[ $code -eq 125 ] && grep -q "eth99, which has no address" out'
check "and_nothing_is_left_running" wait_until 3 eval '[ -z "$(marked_as mpworker)" ]'

# ---- --stage -------------------------------------------------------------------------------------------------------

printf '#!/bin/sh\necho "$0" "$@"\ncat "$MPL_STAGE/data" | md5sum\nls -l "$MPL_STAGE/data" | cut -c 1-10\n' > prog
chmod 755 prog
head -c 5000000 /dev/urandom > data
chmod 640 data
run "$launch" --stage ./prog --stage data -H a:1,b:1 ./prog "one two"
check "a_staged_program_runs_there" eval '[ $code -eq 0 ] && [ "$(grep -c "^$T/tmp/mplaunch-stage-[A-Za-z0-9]*/prog one two$\|^/tmp/mplaunch-stage-[A-Za-z0-9]*/prog one two$" out)" -eq 2 ]'
check "with_its_data" [ "$(grep -c "$(md5sum < data)" out)" -eq 2 ]
check "and_their_mode" [ "$(grep -cx -e '-rw-r-----' out)" -eq 2 ]
staged () { find "$T/tmp" /tmp -maxdepth 1 -name 'mplaunch-stage-*' -newer prog 2> /dev/null; }
check "and_is_removed_after" [ -z "$(staged)" ]
run "$launch" --stage ./prog -H localhost ./prog
check "on_this_host_nothing_is_copied" eval 'grep -q "^./prog" out'
run "$launch" --stage data:other --stage ./prog -H localhost:1,a:1 sh -c 'md5sum < "$MPL_STAGE/other"'
check "its_folder_has_the_other_name_it_was_given" [ "$(grep -c "$(md5sum < data)" out)" -eq 2 ]
run "$launch" --stage ./prog --stage data -H localhost:1,a:1 prog
check "a_name_alone_is_looked_for_there" [ "$(grep -c "/mplaunch-stage-[A-Za-z0-9]*/prog$" out)" -eq 2 ]
run "$launch" --stage prog --stage data -H a ./prog
check "by_whatever_path_it_is_given" [ "$(grep -c "/mplaunch-stage-[A-Za-z0-9]*/prog$" out)" -eq 1 ]
TMPDIR=/no/such run "$launch" --stage data -H localhost:1,a:1 sh -c 'ls "$MPL_STAGE"'
check "TMPDIR_that_is_not_there_is_no_fault" [ "$(tr '\n' ' ' < out)" = "data data " ]
run "$launch" --stage data -H localhost:1,a:1 sh -c 'mkdir "$MPL_STAGE/own"; echo > "$MPL_STAGE/own/file"; stat -c %a "$MPL_STAGE"'
check "only_its_user_may_enter_it" [ "$(tr '\n' ' ' < out)" = "700 700 " ]
check "what_ranks_write_there_goes_with_it" [ -z "$(staged)" ]
check "and_the_original_stays" [ "$(stat -c %s data)" = 5000000 ]
run "$launch" --stage data: -H a true
check "an_empty_name_is_refused" eval '[ $code -eq 2 ] && grep -q "PATH:NAME" err'
run "$launch" --stage data -H full:1,a:1 true
check "a_file_that_has_no_room_is_told_with_its_host" eval '[ $code -eq 125 ] && grep -q "the host full is lost: .*the file data cannot be staged in /.*" err'
check "and_nothing_of_it_is_left" wait_until 3 eval '[ -z "$(staged)" ]'
run "$launch" --stage no-such-file -H a true
check "a_file_that_is_not_there_is_told" eval '[ $code -eq 2 ] && grep -q -- "--stage no-such-file: the file cannot be read" err'
run "$launch" --stage /usr -H a true
check "so_is_a_folder" eval '[ $code -eq 2 ] && grep -q "it is no regular file" err'
mkdir other
cp data other/data
run "$launch" --stage data --stage other/data -H a true
check "two_of_one_name_are_too_many" eval '[ $code -eq 2 ] && grep -q "has the same name" err'
arrived () { [ -n "$(find "$T/tmp" /tmp -maxdepth 2 -path '*/mplaunch-stage-*/data' -newer prog -type f -size 5000000c 2> /dev/null)" ]; }
start "$launch" --stage data -H localhost:1,a:1,slow:1 sh -c '[ -e ssh.go ] && echo together'
check "a_host_has_its_files" wait_until 10 arrived
check "and_nothing_is_started_before_all_have" eval 'sleep 0.2; [ ! -s out ]'
touch ssh.go
check "then_all_are" eval 'end_of "$pid" 10 && [ "$code" = 0 ] && [ "$(grep -cx together out)" -eq 3 ]'
rm ssh.go
start "$launch" --stage data -H localhost:1,a:1,slow:1 echo started
wait_until 10 arrived
kill -INT "$pid"
check "INT_ends_it_while_files_are_copied" eval 'end_of "$pid" 8 && [ "$code" = 130 ] && [ ! -s out ]'
touch ssh.go
check "and_what_was_copied_is_gone" wait_until 5 eval '[ -z "$(staged)" ]'
rm ssh.go
run "$launch" --timeout 0.5 --stage data -H localhost:1,slow:1 echo started
check "so_does_a_time_limit" eval '[ $code -eq 124 ] && [ ! -s out ]'
touch ssh.go
wait_until 5 eval '[ -z "$(marked)" ]'                    # the sleeps of the slow ssh are over, those of the next are its ranks
start "$launch" --stage data -H a sleep 60
wait_until 5 eval '[ "$(marked_as sleep | wc -l)" -eq 1 ]'
check "they_are_there_as_long_as_the_job" [ -n "$(staged)" ]
kill -KILL "$pid"
check "and_no_longer_though_mplaunch_is_killed" wait_until 3 eval '[ -z "$(staged)" ]'
wait_until 5 eval '[ -z "$(marked)" ]'
start "$launch" --stage data -H a sleep 60
wait_until 5 eval '[ "$(marked_as sleep | wc -l)" -eq 1 ] && [ -n "$(staged)" ]'
kill -KILL "$(agents)"
check "nor_though_the_agent_is_killed" wait_until 3 eval '[ -z "$(staged)" ]'
check "which_ends_the_job" eval 'end_of "$pid" 6 && [ "$code" = 125 ]'
finish
