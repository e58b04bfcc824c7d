#!/bin/bash
# Ranks on other hosts: what they print, read, are and how they end is what it would be here; and a host that cannot be reached
# is named with the reason. ssh is a stand-in that starts the agent on this machine.
. "$(dirname "$0")/lib.sh"
mkdir bin
cp "$MPL_SRC/tests/system/stand-in-ssh" bin/ssh
export PATH=$T/bin:$PATH STAND_IN_LOG=$T/ssh

run "$launch" -H a:2,b:2 -l sh -c 'echo $MPL_RANK $MPL_NODE $MPL_LOCAL_RANK $HOSTNAME'
check "ranks_run_where_they_are_placed" [ "$(sort out | tr '\n' '|')" = "[0@a] 0 0 0 a|[1@a] 1 0 1 a|[2@b] 2 1 0 b|[3@b] 3 1 1 b|" ]
check "with_code_0_and_without_a_word" eval '[ $code -eq 0 ] && [ ! -s err ]'
run "$launch" -H localhost:1,b:1 sh -c 'echo $MPL_RANK; echo err $MPL_RANK >&2'
check "here_and_there_together" [ "$(sort out err | tr '\n' '|')" = "0|1|err 0|err 1|" ]

MY_OWN=x run "$launch" -H a -x ADDED=y sh -c 'echo "$MY_OWN$ADDED $PWD $SSH_CONNECTION $PATH"'
check "the_environment_is_the_launchers" grep -q "^xy $T there $T/bin:" out
run "$launch" -H a --wdir /usr pwd
check "and_the_folder_the_one_asked_for" [ "$(cat out)" = /usr ]
run "$launch" -H a -- printf '%s|' "a b" '$(echo no)' "it's" '"' '*' ''
check "arguments_arrive_as_they_are" [ "$(cat out)" = "a b|\$(echo no)|it's|\"|*||" ]
check "and_are_on_no_command_line" eval '! grep -q "echo no" ssh.*'
check "ssh_is_never_asked_to_check_less" eval '! grep -qi StrictHostKey ssh.*'

echo hello > in
stdin=in run "$launch" -H a:1,b:1 -l cat
check "rank_0_reads_standard_input" [ "$(cat out)" = "[0@a] hello" ]
stdin=in run "$launch" -H a:1,localhost:1,b:1 --stdin all -l cat
check "all_may_read_it" [ "$(sort out | tr '\n' '|')" = "[0@a] hello|[1@localhost] hello|[2@b] hello|" ]
seq 1 1000000 > numbers
stdin=numbers run "$launch" -H a:1,b:1 --stdin 1 cat
check "however_much_it_is" cmp -s numbers out
run "$launch" -H a:1,b:1 seq 1 300000
check "much_output_of_two_hosts_is_whole" [ "$(sort -n out | md5sum)" = "$( (seq 1 300000; seq 1 300000) | sort -n | md5sum)" ]
yes | timeout 20 "$launch" -H a:1,b:1 --stdin 1 head -1 > out
check "a_writer_learns_that_a_rank_there_reads_no_more" [ "$(cat out)" = y ]
timeout 20 "$launch" -H a:1,b:1 yes 2> err | head -1 > out
check "a_reader_that_goes_away_ends_it_there_too" eval '[ "$(cat out)" = y ] && wait_until 3 none_marked'

run "$launch" -H a:1,b:1 sh -c '[ $MPL_RANK = 0 ] && sleep 60; exit 7'
check "a_rank_that_fails_ends_the_others" eval '[ $code -eq 7 ] && [ $took -lt 10000 ]'
check "and_is_named_with_its_host" grep -q "rank 1 on b (process [0-9]*) ended with exit code 7" err
run "$launch" -H a:1,b:1 --timeout 0.5 sleep 60
check "a_time_limit_holds_everywhere" eval '[ $code -eq 124 ] && grep -q "still running on b: rank 1" err'
run "$launch" -H a no-such-program
check "a_program_that_is_not_there_is_127" eval '[ $code -eq 127 ] && grep -q "rank 0 on a: .*no-such-program" err'

start "$launch" -H a:1,b:1 sleep 60
check "two_sleepers_are_up" wait_until 5 eval '[ "$(marked_as sleep | wc -l)" -eq 2 ]'
kill -INT "$pid"
check "one_INT_ends_them" end_of "$pid" 6
check "with_130" [ "${code:-}" = 130 ]
check "and_they_are_gone" wait_until 2 none_marked
start "$launch" -H a:1,b:1 sleep 60
wait_until 5 eval '[ "$(marked_as sleep | wc -l)" -eq 2 ]'
kill -KILL "$pid"
check "mplaunch_killed_leaves_nothing_on_any_host" wait_until 3 none_marked
start "$launch" -H a:1,b:1 sleep 60
wait_until 5 eval '[ "$(marked_as sleep | wc -l)" -eq 2 ]'
kill -KILL "$(agents | head -1)"
check "an_agent_killed_ends_the_job" end_of "$pid" 6
check "with_125_and_a_reason" eval '[ "${code:-}" = 125 ] && grep -q "the host [ab] is lost: its agent.s connection ended" err'
check "and_leaves_nothing" wait_until 3 none_marked

run "$launch" -H a,refused true
check "a_host_that_refuses_is_named" eval '[ $code -eq 125 ] && grep -q "the host refused cannot be reached: ssh: connect to host refused port 22: Connection refused" err'
run "$launch" -H a,unknown sh -c 'echo started'
check "an_unknown_one_too_and_nothing_is_started" eval '[ $code -eq 125 ] && grep -q "the host unknown cannot be reached: .*not known" err && [ ! -s out ]'
run "$launch" -H later sh -c 'echo on $HOSTNAME'
check "a_host_that_refuses_for_the_moment_is_asked_again" [ "$(cat out)" = "on later" ]
run "$launch" -H noisy sh -c 'echo on $HOSTNAME'
check "what_a_login_says_is_not_output" eval '[ "$(cat out)" = "on noisy" ] && [ ! -s err ]'
run "$launch" -H empty true
check "mpworker_that_is_not_there_is_explained" eval '[ $code -eq 125 ] && grep -q "mpworker is found neither" err'
run "$launch" --prefix /no/such -H a true
check "a_wrong_prefix_is_named" eval '[ $code -eq 125 ] && grep -q "no bin/mpworker under --prefix /no/such" err'
run "$launch" -H other true
check "another_version_is_told" eval '[ $code -eq 125 ] && grep -q "no mpworker of this version" err'
run "$launch" -H silent true
check "so_is_an_end_without_a_word" eval '[ $code -eq 125 ] && grep -q "ssh ended with exit code 0 and said nothing" err'

mkdir none
run env PATH="$T/none" "$launch" -H a true
check "where_there_is_no_ssh_that_is_said_at_once" eval '[ $code -eq 125 ] && grep -q "ssh cannot be started" err'

printf 'a\nlocalhost slots=1\n' > hostfile
run "$launch" --hostfile hostfile sh -c 'echo $MPL_NODE'
check "a_host_that_says_no_number_is_asked" [ "$(grep -c 0 out)" -eq "$(nproc)" ]
printf 'hosts:\n  - {name: a, slots: 1, ssh: {user: alice, port: 2222, options: [-o, X=y]}, workdir: /usr, env: {A: b}}\n' > c.yaml
rm -f ssh.*
run "$launch" -f c.yaml sh -c 'echo $PWD $A'
check "a_cluster_file_says_more" [ "$(cat out)" = "/usr b" ]
check "also_to_ssh" [ "$(cat ssh.* | head -10 | tr '\n' ' ')" = "-T -x -o BatchMode=yes -o X=y -l alice -p 2222 " ]

run "$launch" -H a:2,b:2 --each -k sh -c 'sleep 0.1; echo {} on $HOSTNAME' ::: 1 2 3 4 5 6 7 8
check "jobs_of_each_run_on_all_hosts" eval '[ $code -eq 0 ] && [ "$(cut -d " " -f 1 out | tr "\n" " ")" = "1 2 3 4 5 6 7 8 " ] && grep -q "on a" out && grep -q "on b" out'
run "$launch" -H localhost:1,b:1 --each --joblog log -k sh -c 'sleep 0.1; seq 1 {}' ::: 400000 400000 3 4
check "what_they_print_is_whole_however_much" [ "$(md5sum < out)" = "$( (seq 400000; seq 400000; seq 3; seq 4) | md5sum)" ]
check "the_joblog_says_where_they_ran" [ "$(cut -f 2 log | sort -u | wc -l)" -eq 3 ]
finish
