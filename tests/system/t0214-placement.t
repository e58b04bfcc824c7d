#!/bin/bash
# Which rank goes to which host and core: what --dry-run and --display map print, and what the ranks are really bound to.
. "$(dirname "$0")/lib.sh"

host=$(uname -n)
cores=$(nproc)
# plan: what the last --dry-run printed, as rank:host:cores of each line.
plan () { awk 'NR > 1 { printf "%s:%s:%s ", $1, $2, $3 }' "${1:-out}" | sed "s/:$host:/:here:/g; s/ $//"; }

run "$launch" -q --dry-run -n 2 no-such-program 'a b'
check "a_dry_run_starts_nothing" [ "$code" -eq 0 ]
check "prints_each_rank" [ "$(plan)" = "0:here:any 1:here:any" ]
check "with_its_command" grep -q "no-such-program 'a b'" out
run "$launch" --dry-run true
check "there_is_one_for_each_core_by_default" [ "$(plan | wc -w)" -eq "$cores" ]
run "$launch" --dry-run -H a:2,b:3 true
check "hosts_are_filled_one_after_the_other" [ "$(plan)" = "0:a:any 1:a:any 2:b:any 3:b:any 4:b:any" ]
run "$launch" --dry-run -H a:2,b:3 --map-by node true
check "or_have_their_turns" [ "$(plan)" = "0:a:any 1:b:any 2:a:any 3:b:any 4:b:any" ]
run "$launch" --dry-run -H a,b,a -n 3 true
check "a_host_named_twice_has_two_slots" [ "$(plan)" = "0:a:any 1:a:any 2:b:any" ]
run "$launch" --dry-run -hosts a,b -ppn 2 true
check "ppn_is_how_many_on_each" [ "$(plan)" = "0:a:any 1:a:any 2:b:any 3:b:any" ]
run "$launch" --dry-run -H a:2 -n 3 true
check "more_than_slots_are_placed_again" [ "$(plan)" = "0:a:any 1:a:any 2:a:any" ]
run "$launch" --dry-run -n 1 -H a one : -n 2 -H b:2 two
check "each_program_has_its_hosts" [ "$(plan)" = "0:a:any 1:b:any 2:b:any" ]
printf '# of Open MPI\na slots=2\nalice@b slots=1 max_slots=4\n' > openmpi
run "$launch" --dry-run --hostfile openmpi true
check "a_hostfile_of_Open_MPI" [ "$(plan)" = "0:a:any 1:a:any 2:b:any" ]
printf 'a:2\nb\n' > mpich
run "$launch" --dry-run -f mpich true
check "a_hostfile_of_MPICH" [ "$(plan)" = "0:a:any 1:a:any 2:b:any" ]
printf 'hosts:\n  - {name: "n[1-2]", slots: 2}\n  - {name: m, slots: 1}\n' > cluster.yaml
run "$launch" --dry-run -f cluster.yaml true
check "a_cluster_file" [ "$(plan)" = "0:n1:any 1:n1:any 2:n2:any 3:n2:any 4:m:any" ]
printf 'hosts:\n  - {name: a, slot: 2}\n' > bad.yaml
run "$launch" --dry-run -f bad.yaml true
check "a_wrong_cluster_file_is_named_by_its_line" eval '[ $code -eq 2 ] && grep -q "bad.yaml:2:.*slots" err'
run "$launch" -f no-such.yaml true
check "a_missing_one_too" eval '[ $code -eq 2 ] && grep -q no-such.yaml err'
run "$launch" -q -H "localhost:1,127.0.0.1:2,$host:1" sh -c 'echo $MPL_RANK of $MPL_SIZE on $MPL_NODE of $MPL_NODES'
check "all_names_of_this_machine_are_one_host" [ "$(sort out | tr '\n' '|')" = "0 of 4 on 0 of 1|1 of 4 on 0 of 1|2 of 4 on 0 of 1|3 of 4 on 0 of 1|" ]

run "$launch" -n $((cores + 1)) true
check "more_processes_than_slots_is_said" eval '[ $code -eq 0 ] && grep -q "share $cores slot" err'
run "$launch" --oversubscribe -n $((cores + 1)) true
check "unless_it_is_meant" [ ! -s err ]
run "$launch" --display map -q -n 2 true
check "display_map_prints_it_and_goes_on" [ "$code-$(plan err)" = "0-0:here:any 1:here:any" ]

if ! ldconfig -p 2> /dev/null | grep -q libhwloc.so.15; then
    skip "binding" "libhwloc is not installed"
else
    export HWLOC_SYNTHETIC="socket:2 core:2 pu:2" HWLOC_THISSYSTEM=0
    run "$launch" -q --dry-run --bind-to core -n 4 true
    check "bound_to_a_core_each" [ "$(plan)" = "0:here:0-1 1:here:2-3 2:here:4-5 3:here:6-7" ]
    run "$launch" -q --dry-run --bind-to core --map-by socket -n 4 true
    check "dealt_out_by_socket" [ "$(plan)" = "0:here:0-1 1:here:4-5 2:here:2-3 3:here:6-7" ]
    run "$launch" -q --dry-run --bind-to socket --map-by socket -n 2 true
    check "bound_to_sockets" [ "$(plan)" = "0:here:0-3 1:here:4-7" ]
    unset HWLOC_SYNTHETIC HWLOC_THISSYSTEM

    run "$launch" -q --bind-to core -n $((cores * 2)) sh -c 'echo $MPL_RANK $(taskset -cp $$ | sed "s/.*: //") $OMP_NUM_THREADS'
    sort -n out > bound
    check "ranks_are_really_bound" [ "$(wc -l < bound)" -eq $((cores * 2)) ]
    check "to_one_core_each_in_turn" [ "$(awk '{ print $2 }' bound | head -n "$cores" | sort -u | wc -l)" -eq "$cores" ]
    check "with_one_thread_each" [ "$(awk '{ print $3 }' bound | sort -u)" = 1 ]
    run "$launch" -q --bind-to none -n 2 sh -c 'taskset -cp $$ | sed "s/.*: //"'
    check "none_is_every_core" [ "$(sort -u out)" = "$(taskset -cp $$ | sed 's/.*: //')" ]
    run taskset -c "$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')" "$launch" -q --bind-to core -n 2 sh -c 'taskset -cp $$ | sed "s/.*: //"'
    check "never_outside_of_what_mplaunch_may_use" [ "$(sort -u out | wc -l)" -eq 1 ]
fi
finish
