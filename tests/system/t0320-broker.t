#!/bin/bash
# A broker that hosts join and launches attach to: who is served with what, what dies with whom, and who is refused. The hosts are
# this machine under several names.
. "$(dirname "$0")/lib.sh"

broker=$MPL_BUILD/mpbroker worker=$MPL_BUILD/mpworker
declare -A joiner

# A broker with that certificate; its number in $broker_pid.
start_broker () {
    env --default-signal "$broker" --cert "$1" -v > "$1.out" 2> "$1.log" < /dev/null &
    broker_pid=$!
    wait_until 10 grep -q "show $1.client" "$1.out"
}

# join NAME SLOTS: a host; its number in ${joiner[NAME]}.
join () {
    env --default-signal "$worker" --join c.client --name "$1" --slots "$2" 2> "$1.said" < /dev/null &
    joiner[$1]=$!
}

# N processes on the hosts of the broker; the launch is $pid.
sleep_on_hosts () {
    start "$launch" --attach c.client -n "$1" sleep 60
    wait_until 10 eval '[ "$(marked_as sleep | wc -l)" -eq '"$1"' ]'
}

has_joined () { grep -q "joined as $1" "$1.said"; }

# ---- joining and attaching -----------------------------------------------------------------------------------------

check "a_broker_makes_its_certificates" start_broker c
check "for_their_owner_alone" [ "$(stat -c %a c c.client | tr '\n' ' ')" = "600 600 " ]
check "with_its_secret_in_one_of_them" eval 'grep -q broker-secret c && ! grep -q broker-secret c.client'
secrets=$(sed -n 's/^[a-z-]*secret //p' c c.client)
for name in h1 h2 h3; do join $name 2; done
check "hosts_join" wait_until 10 eval 'has_joined h1 && has_joined h2 && has_joined h3'

run "$launch" --attach c.client sh -c 'echo $MPL_SIZE'
check "a_launch_that_says_no_number_has_every_slot" eval '[ $code -eq 0 ] && [ "$(sort out | uniq -c | tr -s " ")" = " 6 6" ]'
run "$launch" --attach c.client -n 3 -l true
check "without_a_word" eval '[ $code -eq 0 ] && [ ! -s err ] && [ ! -s out ]'
run "$launch" --attach c.client -l -ppn 2 sh -c 'echo $MPL_NODE'
check "hosts_have_the_names_they_joined_with" [ "$(grep -o '@h[123]' out | sort -u | tr -d '\n')" = "@h1@h2@h3" ]
seq 1 300000 > numbers
stdin=numbers run "$launch" --attach c.client -n 2 cat
check "input_and_output_pass_through" cmp -s numbers out
run "$launch" --attach c.client -n 2 sh -c 'exit 7'
check "codes_too" [ $code -eq 7 ]
timeout 20 "$launch" --attach c.client -n 6 yes 2> err | head -1 > out
check "a_reader_that_goes_away_ends_it" eval '[ "$(cat out)" = y ] && wait_until 5 eval "[ -z \"\$(marked_as yes)\" ]"'
check "no_secret_is_on_a_command_line_or_in_an_environment" eval '
    for p in $(marked); do
        for secret in $secrets; do
            cat /proc/$p/cmdline /proc/$p/environ 2> /dev/null | grep -qaF -- "$secret" && exit 1
        done
    done; [ "$(marked | wc -l)" -ge 4 ]'
run "$launch" --attach c.client -H a true
check "attach_and_H_are_too_much" eval '[ $code -eq 2 ] && grep -q "both say where programs run" err'

# ---- sharing -------------------------------------------------------------------------------------------------------

cat > hold.sh <<'S'
echo $MPL_RANK >> "$1"
until [ -e "$2" ]; do sleep 0.05; done
S
"$launch" --attach c.client -q --oversubscribe sh hold.sh a.ranks over < /dev/null > a.out 2>&1 &
a=$!
"$launch" --attach c.client -q --oversubscribe sh hold.sh b.ranks over < /dev/null > b.out 2>&1 &
b=$!
check "two_launches_at_once_have_half_each" wait_until 10 eval 'n_lines a.ranks 3 && n_lines b.ranks 3'
"$launch" --attach c.client -n 2 sh -c 'echo third' < /dev/null > third.out 2> third.err &
third=$!
check "a_third_one_waits_and_says_for_what" wait_until 10 grep -q "waiting for slots: all 6 are lent to 2 launches" third.err
run "$launch" --attach c.client --timeout 1 true
check "not_longer_than_it_may" eval '[ $code -eq 125 ] && grep -q "no slots became free at the broker in 1 s" err'
join h4 1
check "a_host_that_joins_meanwhile_serves_it" wait_until 10 eval '[ "$(cat third.out)" = "third
third" ]'
check "and_it_ends" end_of $third 10
kill -TERM "${joiner[h4]}"
check "a_host_leaves_when_asked" eval 'end_of ${joiner[h4]} 10 && [ "$code" = 0 ]'
touch over
check "both_end" eval 'end_of $a 10 && [ $code -eq 0 ] && end_of $b 10 && [ $code -eq 0 ]'
run "$launch" --attach c.client true
check "and_all_is_free_again" eval '[ $code -eq 0 ]'

"$launch" --attach c.client -n 3 "$cases/pool_cases" all-basic < /dev/null > a.out 2> a.err &
a=$!
"$launch" --attach c.client -n 3 "$cases/pool_cases" all-basic < /dev/null > b.out 2> b.err &
b=$!
check "two_pools_at_once_are_right" eval 'end_of $a 120 && [ $code -eq 0 ] && end_of $b 120 && [ $code -eq 0 ] &&
    [ "$(grep -c "^ok" a.out)" -gt 30 ] && ! grep -q "^not ok" a.out b.out'

# ---- giving back ---------------------------------------------------------------------------------------------------

n_processes () { [ "$(marked_as slow_squares | wc -l)" -eq "$1" ]; }         # ranks and workers
start "$launch" --attach c.client -v "$cases/slow_squares" 12000 10
check "a_pool_that_came_alone_has_all" wait_until 10 n_processes 12
"$launch" --attach c.client --oversubscribe sh hold.sh b.ranks b.over < /dev/null > b.out 2>&1 &
b=$!
check "it_gives_half_to_who_comes" wait_until 10 n_lines b.ranks 6      # three of before
check "by_letting_workers_go" n_processes 9
touch b.over
check "and_has_it_again_afterwards" eval 'end_of $b 10 && [ $code -eq 0 ] && wait_until 10 n_processes 12'
for name in x y; do
    "$launch" --attach c.client -q --oversubscribe sh hold.sh $name.ranks xy.over < /dev/null > $name.out 2>&1 &
done
check "to_two_it_gives_two_thirds" wait_until 10 eval 'n_lines x.ranks 2 && n_lines y.ranks 2'
check "and_with_them_a_whole_host" eval '[ "$(grep -c " 0 slots of h[123] are kept" err)" -eq 1 ] && ! grep -q "is lost" err'
touch xy.over
check "which_serves_it_again" wait_until 20 eval 'grep -q "h[123] is there and serves" err && n_processes 11'   # it has no ranks
check "its_map_is_right_all_the_same" eval 'end_of $pid 60 && [ "$code" = 0 ] && [ "$(cat out)" = "12000 squares are right" ]'

# What is asked back together with the first word, before anybody listens, is given too.
mkdir own
cp "$launch" "$worker" own/
cat > own/mpattach <<'S'
#!/bin/sh
[ "$1" = --lease ] && exec "$(dirname "$0")/mpworker" --far
printf 'host h 4 7\nready 4\nreclaim 7 2\n'
while read -r line; do echo "$line" >> kept; done
S
chmod 755 own/mpattach
run own/mplaunch --attach any "$cases/slow_squares" 400 10
check "what_is_asked_back_at_once_is_given" eval '[ $code -eq 0 ] && [ "$(cat out kept | tr "\n" ";")" = "400 squares are right;keep 7 2;" ]'

# ---- growing -------------------------------------------------------------------------------------------------------

start "$launch" --attach c.client -n 2 "$cases/far_data" grow 8
check "a_pool_grows_onto_the_hosts_there_are" wait_until 20 grep -q "serving 6" out
join late 2
check "and_onto_those_that_join_later" eval 'end_of $pid 30 && [ "$code" = 0 ] && grep -qx "all right" out'
check "which_is_told" grep -q "late is there and serves" err
kill -TERM "${joiner[late]}"
wait "${joiner[late]}" 2> /dev/null

# ---- what dies with whom -------------------------------------------------------------------------------------------

join gone 1
wait_until 10 has_joined gone
start "$launch" --attach c.client -n 7 "$cases/slow_squares" 2000 10 began
wait_until 10 test -e began
kill -KILL "${joiner[gone]}"            # the smallest host is lent last, so main is on another
check "a_map_is_right_though_a_joiner_is_killed" eval 'end_of $pid 60 && [ "$code" = 0 ] && [ "$(cat out)" = "2000 squares are right" ]'
check "and_the_host_is_named" grep -q "the host gone is lost" err
wait "${joiner[gone]}" 2> /dev/null
join gone 1
wait_until 10 has_joined gone

sleep_on_hosts 7
kill -KILL "${joiner[gone]}"
check "a_joiner_killed_ends_ranks_that_are_no_pools" eval 'end_of $pid 20 && [ "$code" = 125 ] && grep -q "the host gone is lost" err'
check "all_of_them" wait_until 5 eval '[ -z "$(marked_as sleep)" ]'

sleep_on_hosts 4
kill -KILL $pid
wait $pid 2> /dev/null
check "mplaunch_killed_leaves_nothing_on_any_host" wait_until 10 eval '[ -z "$(marked_as sleep; marked_as mpattach)" ]'
run "$launch" --attach c.client -n 6 true
check "and_its_slots_are_free" eval '[ $code -eq 0 ] && [ ! -s err ]'
sleep_on_hosts 4
kill -KILL "$(agents | head -1)"
check "an_agent_killed_ends_the_job" eval 'end_of $pid 10 && [ "$code" = 125 ]'
check "and_leaves_nothing" wait_until 5 eval '[ -z "$(marked_as sleep)" ]'

sleep_on_hosts 6
kill -KILL $broker_pid
wait $broker_pid 2> /dev/null
check "a_broker_killed_ends_launches" eval 'end_of $pid 20 && [ "$code" = 125 ] && grep -q "has ended the connection" err'
check "and_their_processes" wait_until 5 eval '[ -z "$(marked_as sleep; marked_as mpattach)" ]'
run "$launch" --attach c.client --timeout 5 true
check "while_it_is_away_a_launch_says_so" eval '[ $code -eq 125 ] && grep -q "the broker at .* cannot be connected to" err'
check "a_broker_that_is_back_is_at_the_same_port" start_broker c
run "$launch" --attach c.client -n 6 true
check "and_its_hosts_come_back_by_themselves" eval '[ $code -eq 0 ]'

# ---- who is refused ------------------------------------------------------------------------------------------------

first=$broker_pid
start_broker d
kill -TERM $broker_pid
check "a_broker_ends_when_asked" eval 'end_of $broker_pid 5 && [ "$code" = 0 ]'
broker_pid=$first
{ grep -v '^public\|^secret' c.client; grep '^public\|^secret' d.client; } > other.client
{ grep -v '^broker' c.client; grep '^broker' d.client; } > elsewhere.client
cp c.client open.client
chmod 600 other.client elsewhere.client
chmod 644 open.client
run "$launch" --attach other.client true
check "a_wrong_certificate_is_refused" eval '[ $code -eq 125 ] && grep -q "does not know the certificate other.client" err'
run "$worker" --join other.client --name x
check "also_of_a_host" eval '[ $code -eq 125 ] && grep -q "does not know the certificate other.client" err'
run "$launch" --attach elsewhere.client true
check "a_broker_that_is_another_is_not_trusted" eval '[ $code -eq 125 ] && grep -q "is not the one of the certificate" err'
run "$launch" --attach open.client true
check "a_certificate_that_others_can_read_is_refused" eval '[ $code -ne 0 ] && grep -q "open to others" err'
port=$(sed -n 's/^port //p' c)
for i in 1 2 3 4 5 6 7 8; do
    head -c 100000 /dev/urandom > "/dev/tcp/127.0.0.1/$port"
done 2> /dev/null
run "$launch" --attach c.client -n 6 true
check "garbage_at_the_port_changes_nothing" [ $code -eq 0 ]

# ---- many ----------------------------------------------------------------------------------------------------------

began=$(date +%s%3N)
for i in $(seq 200); do
    "$worker" --join c.client --name "m$i" --slots 1 2> /dev/null < /dev/null &
    joiner[m$i]=$!
done
check "200_hosts_that_join_at_once_are_all_in_service" wait_until 60 eval '[ "$(grep -c "host m[0-9]* has joined" c.log)" -eq 200 ]'
comment <<< "it took $(($(date +%s%3N) - began)) ms"
check "none_is_refused" eval '! grep -q refused c.log'
{ echo > lines; sleep 0.5; } | "$MPL_BUILD/mpattach" --slots 206 c.client > lent
check "and_can_be_lent" eval '[ "$(grep -c "^host m" lent)" -eq 200 ] && grep -qx "ready 206" lent'
kill -TERM "${joiner[@]}" 2> /dev/null
check "all_leave" wait_until 30 eval '[ -z "$(marked_as mpjoin)" ]'
kill -TERM $broker_pid
wait 2> /dev/null
finish
