#!/bin/bash
# The hosts that the tests of clusters stand on: each is one by its name, address and sshd, they are found by the
# names, a cable can be pulled and put back, Slurm runs over them, and nothing of them is left in whatever way they
# end.
. "$(dirname "$0")/lib.sh"

# What may be left of hosts: `traces PREFIX NAMESPACE...` prints it, given the numbers of their network namespaces.
numbers_of () { stat -c %i /run/netns/"$1"-*; }
traces () {
    local prefix=$1
    shift
    compgen -G "/run/netns/$prefix-*"
    compgen -G "/sys/class/net/$prefix-*"
    ip -4 -o addr show | grep -F "$prefix-m"
    stat -L -c '%i %n' /proc/[0-9]*/ns/net 2> /dev/null | grep -wF "$(printf '%s\n' "$@")"
    return 0
}
no_trace () { [ -z "$(traces "$@")" ]; }


need_hosts 3
a=${hosts[0]} b=${hosts[1]} c=${hosts[2]}
quick=(-o BatchMode=yes -o ConnectTimeout=2)
for i in 0 1 2; do
    ssh "${quick[@]}" -- "${hosts[i]}" \
        'echo "$(hostname) $(ip -4 -o addr show dev eth0 | tr -s " " | cut -d " " -f 4) $TMPDIR"' &
done > said
wait
check "ssh_says_each_host_by_its_name_and_address" diff <(sort said) \
    <(for i in 0 1 2; do echo "${hosts[i]} ${addresses[i]}/24 $TMPDIR"; done)
check "and_one_knows_the_other_by_name" \
    [ "$(in-host "$a" ssh "${quick[@]}" "$b" 'echo $SSH_CLIENT' | cut -d ' ' -f 1)" = "${addresses[0]}" ]
check "and_this_machine_too" [ "$(in-host "$a" getent hosts "$(hostname)" | cut -d ' ' -f 1)" = "$machine_address" ]
check "a_host_of_another_key_is_refused" eval '! ssh "${quick[@]}" -o UserKnownHostsFile=/dev/null "$a" true'
check "what_runs_there_is_marked" [ "$(ssh "${quick[@]}" "$a" 'echo $MPL_TEST_MARK')" = "$MPL_TEST_MARK" ]
start in-host "$b" sh -c 'echo $$ $(hostname) $PWD > here; exec sleep 60'
wait_until 5 test -s here
check "a_command_in_a_host_keeps_its_number_and_its_folder" [ "$(cat here)" = "$pid $b $PWD" ]
kill -TERM "$pid"
check "and_gets_its_signals" end_of "$pid" 2

host cut "$b"
check "a_cut_host_is_not_reached" eval '! ssh -o BatchMode=yes -o ConnectTimeout=1 "$b" true'
check "and_the_others_are" ssh "${quick[@]}" "$c" true
host join "$b"
check "until_the_cable_is_back" wait_until 5 ssh "${quick[@]}" "$b" true
ssh "${quick[@]}" "$b" 'echo $$ > pid; mv pid '"$PWD"'/stays; exec sleep 60' 2> /dev/null &
pid=$!
wait_until 5 test -s stays
host halt "$b"
check "a_halted_host_runs_nothing" is_over "$(cat stays)"
host boot "$b"
# Nothing told the client.
kill -KILL "$pid"
wait "$pid" 2> /dev/null
check "and_is_there_again_after_boot" wait_until 5 ssh "${quick[@]}" "$b" true
mkdir folder && touch folder/file
host hide "$c" "$PWD/folder"
check "a_hidden_folder_is_empty_in_that_host" [ -z "$(ssh "${quick[@]}" "$c" ls "$PWD/folder")" ]
check "and_only_there" [ "$(ssh "${quick[@]}" "$b" ls "$PWD/folder")" = file ]

if why=$("$host_tool" check slurm); then
    need_slurm
    run srun -N 2 hostname
    check "srun_runs_on_two_hosts" diff <(sort out) <(printf '%s\n' "$a" "$b")
    run in-host "$a" srun -N 3 -n 12 hostname
    check "and_from_one_of_them_on_every_processor" \
        [ "$(sort out | uniq -c | tr -s ' ' | tr '\n' '|')" = " 4 $a| 4 $b| 4 $c|" ]
    run salloc -Q -N 2 sh -c 'srun hostname; echo $SLURM_JOB_NODELIST'
    check "salloc_gives_two" [ "$(sort out | tail -n 1)" = "${a%1}[1-2]" ]
    printf '#!/bin/sh\nsrun sh -c '\''echo $$ > batch.$SLURM_PROCID; exec sleep 60'\''\n' > batch.sh
    run sbatch --parsable -N 2 -o batch.out batch.sh
    job=$(cat out)
    check "sbatch_starts_a_job" wait_until 10 eval '[ -s batch.0 ] && [ -s batch.1 ]'
    # The job's number stays known for a while; its processes are what matters.
    scancel "$job"
    check "scancel_ends_it" wait_until 10 eval 'is_over "$(cat batch.0)" && is_over "$(cat batch.1)"'
    run sbatch --parsable -N 2 -o batch.out --wrap 'srun sh -c "echo > more.\$SLURM_PROCID; exec sleep 60"'
    wait_until 10 eval '[ -e more.0 ] && [ -e more.1 ]'
    check "slurm_down_ends_all_of_it" "$host_tool" slurm-down "$hosts_dir"
    check "and_its_jobs" wait_until 5 none_marked
else
    skip "slurm" "$why"
fi
host hide "$c" "$T"
check "ssh_goes_there_with_all_of_the_test_hidden" [ "$(ssh "${quick[@]}" "$c" hostname)" = "$c" ]

if command -v setpriv > /dev/null && setpriv --reuid 65534 --clear-groups test -r "$host_tool"; then
    run setpriv --reuid 65534 --clear-groups "$host_tool" check
    check "another_user_is_told_in_one_line" [ "$code:$(cat out)" = "1:hosts of the test need root" ]
else
    skip "another_user_is_told_in_one_line" "no setpriv, or another user cannot read the tests"
fi

prefix=${a%-*}
namespaces=$(numbers_of "$prefix")
check "these_hosts_are_seen" eval '! no_trace "$prefix" $namespaces'
check "down_removes_them" "$host_tool" down "$hosts_dir"
check "and_nothing_is_left_of_them" wait_until 2 no_trace "$prefix" $namespaces
check "nor_their_folder" [ ! -e "$hosts_dir" ]
check "a_second_time_it_has_nothing_to_do" "$host_tool" down "$hosts_dir"
hosts_dir=

# A shell that builds hosts and is killed; its hosts are seen to go by the keeper alone.
"$BASH" -c '"$1" up --owner $$ 2 "$2" > owned.new && mv owned.new owned; exec sleep 60' \
    owner "$host_tool" "$T/owned.d" 2> /dev/null &
owner=$!
wait_until 10 test -e owned
prefix=$(. ./owned && echo "${hosts[0]%-*}")
namespaces=$(numbers_of "$prefix")
kill -KILL "$owner"
wait "$owner" 2> /dev/null
check "hosts_go_with_the_process_they_were_for" wait_until 5 no_trace "$prefix" $namespaces
check "with_their_folder" wait_until 2 test ! -e "$T/owned.d"

# And one that does not live to see them built.
"$BASH" -c '"$1" up --owner $$ 2 "$2" > /dev/null &
    until [ -s "$2/prefix" ]; do sleep 0.005; done; cp "$2/prefix" early; kill -KILL $$' \
    owner "$host_tool" "$T/early.d" 2> /dev/null &
wait "$!" 2> /dev/null
check "even_when_it_ends_before_they_are_built" wait_until 5 test ! -e "$T/early.d"
check "and_then_too_nothing_is_left" wait_until 2 no_trace "$(cat early)" none

"$host_tool" up 2 "$T/one" > one.sh &
"$host_tool" up 2 "$T/two" > two.sh
wait
one=$(. ./one.sh && echo "${hosts[0]}") two=$(. ./two.sh && echo "${hosts[0]}")
check "two_at_once_have_different_names" [ "${one:-none}" != "${two:-none}" ]
check "and_work" eval '"$T/one/bin/ssh" "${quick[@]}" "$one" true && "$T/two/bin/ssh" "${quick[@]}" "$two" true'
"$host_tool" down "$T/one"
check "and_one_goes_without_the_other" "$T/two/bin/ssh" "${quick[@]}" "$two" true
"$host_tool" down "$T/two"

# Halfway: a tool that fails in the middle, and a build that is killed wherever it is.
mkdir fake && printf '#!/bin/sh\nexit 1\n' > fake/ssh-keygen && chmod +x fake/ssh-keygen
PATH=$PWD/fake:$PATH run "$host_tool" up 2 "$T/half"
check "a_build_that_fails_says_so" eval '[ $code = 1 ] && grep -q "could not be made" err'
check "and_removes_its_half" [ ! -e "$T/half" ]
for delay in 0.02 0.05 0.08 0.12; do
    { timeout -s KILL $delay "$host_tool" up 2 "$T/half"; } > /dev/null 2>&1
    prefix=$(cat "$T/half/prefix" 2> /dev/null)
    "$host_tool" down "$T/half"
    check "a_build_killed_after_${delay}_s_is_removed" eval \
        '[ ! -e "$T/half" ] && { [ -z "$prefix" ] || wait_until 2 no_trace "$prefix" none; }'
done
finish
