#!/bin/bash
# Ranks and pools on four hosts that each have a network, a name and an sshd of their own: the word count gives the very result of
# one host, data of every size arrive, and a host that is cut off costs nothing but its work, which others do.
. "$(dirname "$0")/lib.sh"
need_hosts 4
all=${hosts[0]}:2,${hosts[1]}:2,${hosts[2]}:2,${hosts[3]}:2
wordcount=$MPL_BUILD/examples/wordcount

run "$launch" -H "$all" sh -c 'echo $MPL_RANK $(hostname) $MPL_NODE'
for i in 0 1 2 3 4 5 6 7; do echo "$i ${hosts[i / 2]} $((i / 2))"; done > right
check "each_rank_runs_on_its_host" eval '[ $code -eq 0 ] && sort -n out | diff right -'
check "and_nothing_else_is_said" [ ! -s err ]
run in-host "${hosts[0]}" "$launch" -H "$all" sh -c 'echo $MPL_RANK $(hostname) $MPL_NODE'
check "also_when_one_of_them_launches" eval '[ $code -eq 0 ] && sort -n out | diff right -'
run "$launch" -H "${hosts[0]}:1,nobody-has-this-name:1" true
check "a_host_that_is_none_is_named" eval '[ $code -eq 125 ] && grep -q "the host nobody-has-this-name cannot be reached: ssh:" err'

folders=(/usr/include "$MPL_SRC/doc" "$MPL_SRC/tests")
"$wordcount" "${folders[@]}" > right 2> /dev/null
run "$launch" -H "$all" "$wordcount" "${folders[@]}"
check "the_word_count_of_four_hosts_is_that_of_one" eval '[ $code -eq 0 ] && [ -s right ] && diff right out'
run in-host "${hosts[0]}" "$launch" -H "$all" "$cases/pool_cases" all-basic
check "what_a_pool_does_on_one_host_it_does_on_four" eval '[ $code -eq 0 ] && [ "$(grep -c "^ok" out)" -gt 60 ]'
run in-host "${hosts[0]}" "$launch" -H "$all" "$cases/far_data"
check "data_of_every_size_arrive" eval '[ $code -eq 0 ] && grep -qx "all right" out'

# Cut off: by their own lease the processes there end before the others are given their work.
cat > cluster.yaml <<END
hosts: [{name: "${hosts[0]}", slots: 2}, {name: "${hosts[1]}", slots: 2}, {name: "${hosts[2]}", slots: 2}]
transport: {heartbeat: 300ms, self_end_after: 1500ms, lost_after: 2500ms}
END
far_workers () { marked_as far_data | wc -l; }
start in-host "${hosts[0]}" "$launch" -f cluster.yaml "$cases/far_data" slow 6000
check "workers_serve_on_three_hosts" wait_until 10 grep -q "serving 6" out
host cut "${hosts[2]}"
before=$(far_workers)
check "the_cut_off_side_ends_its_processes_by_itself" wait_until 3 eval '[ "$(far_workers)" -le $((before - 4)) ]'
check "and_is_lost_to_main" wait_until 5 grep -q "the host ${hosts[2]} is lost: nothing was heard of it" err
check "the_map_ends" end_of "$pid" 30
check "with_every_result_once" eval '[ "${code:-}" = 0 ] && grep -qx "all right" out'
host join "${hosts[2]}"

start "$launch" -H "${hosts[0]}:1,${hosts[1]}:1" sleep 60
wait_until 10 eval '[ "$(marked_as sleep | wc -l)" -eq 2 ]'
kill -KILL "$pid"
check "mplaunch_killed_leaves_nothing_on_any_host" wait_until 3 eval '[ -z "$(marked_as sleep)$(marked_as mpworker)" ]'
start "$launch" -H "${hosts[0]}:1,${hosts[1]}:1" sh -c 'setsid sleep 60 & sleep 60'
wait_until 10 eval '[ "$(marked_as sleep | wc -l)" -eq 4 ]'
kill -KILL "$(agents | head -1)"
check "an_agent_killed_leaves_nothing_on_its_host" eval 'end_of "$pid" 6 && [ "$code" = 125 ] && wait_until 3 eval "[ -z \"\$(marked_as sleep)\$(marked_as mpworker)\" ]"'
start "$launch" -H "${hosts[0]}:1,${hosts[1]}:1" sleep 60
wait_until 10 eval '[ "$(marked_as sleep | wc -l)" -eq 2 ]'
kill -INT "$pid"
check "Ctrl_C_ends_all" end_of "$pid" 6
check "with_130" [ "${code:-}" = 130 ]

printf 'hosts: [{name: "%s", slots: 1}, {name: "%s", slots: 1}]\ntransport: {interface: eth9}\n' "${hosts[@]:0:2}" > bad.yaml
run "$launch" -f bad.yaml "$cases/far_data"
check "an_interface_that_main_has_not_is_told" eval '[ $code -ne 0 ] && grep -q "transport.interface is eth9, which has no address here" err'
printf 'hosts: [{name: "%s", slots: 1}, {name: "%s", slots: 1}]\ntransport: {ports: 41000-41003}\n' "${hosts[@]:0:2}" > ports.yaml
start "$launch" -f ports.yaml "$cases/far_data" slow 3000
check "main_opens_a_port_that_may_be_opened" wait_until 5 eval 'in-host "${hosts[0]}" ss -Hltn | grep -q ":4100[0-3] "'
check "and_no_other" eval '[ "$(in-host "${hosts[0]}" ss -Hltn | grep -cv -e ":22 " -e ":4100[0-3] ")" -eq 0 ]'
kill -INT "$pid"
end_of "$pid" 6

printf 'hosts: [{name: "%s", slots: 1}, {name: "%s", slots: 2}, {name: "%s", slots: 1}]\ntransport: {tunnel: ssh, heartbeat: 300ms, self_end_after: 1500ms, lost_after: 2500ms}\n' "${hosts[@]:0:3}" > tunnel.yaml
run in-host "${hosts[0]}" "$launch" -f tunnel.yaml "$cases/far_data"
check "a_pool_works_through_a_tunnel" eval '[ $code -eq 0 ] && grep -qx "all right" out'
start "$launch" -f tunnel.yaml "$cases/far_data" slow 4000
check "also_when_main_is_on_another_host_than_mplaunch" wait_until 10 grep -q "serving 4" out
check "and_no_port_is_open_but_those_of_sshd_and_the_loopback" \
    [ "$(for h in "${hosts[@]:0:3}"; do in-host "$h" ss -Hltn; done | grep -cv -e ":22 " -e "127.0.0.1:" -e "\[::1\]:")" -eq 0 ]
host cut "${hosts[2]}"
kill -INT "$pid"
check "it_ends_though_a_host_is_cut_off" end_of "$pid" 12
finish
