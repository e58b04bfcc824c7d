#!/bin/bash
# What people do with mpiexec and xargs gives the same with mplaunch: the same lines, the same ranks, codes that say the same.
. "$(dirname "$0")/lib.sh"

mpi=$(command -v mpiexec.hydra || command -v mpiexec.mpich || true)
if [ -z "$mpi" ]; then
    skip "the_same_as_mpiexec" "mpiexec of MPICH is not installed"
else
    # both NAME ARGS...: the sorted lines of both are the same, and so are success and failure.
    both () {
        local name=$1 theirs
        shift
        timeout 30 "$mpi" "$@" < /dev/null > theirs.out 2> theirs.err
        theirs=$?
        run "$launch" -q "$@"
        check "$name" diff <(sort theirs.out) <(sort out)
        check "${name}_ends_alike" [ $((theirs == 0)) -eq $((code == 0)) ]
    }
    mkdir folder
    both n -n 3 echo hello
    both np -np 3 echo hello
    both programs -n 1 echo one : -n 2 echo two
    both three_programs -n 1 echo one : -n 2 echo two : -n 1 sh -c 'echo three'
    both wdir -n 2 -wdir "$PWD/folder" pwd
    both genv -genv A 1 -n 2 sh -c 'echo $A'
    both env -n 1 -env A 1 sh -c 'echo A=$A' : -n 1 sh -c 'echo A=$A'
    both genvlist -genvlist HOME,PATH -n 1 sh -c 'echo $HOME'
    both failure -n 2 sh -c 'exit 3'
    both exit_codes_of_a_missing_program -n 1 ./no-such-program
    both hosts -hosts localhost -n 2 echo hello
    both host -host localhost -n 2 echo hello
    both nested_shell -n 2 sh -c 'echo "a  b" "$0"' 'x y'
    printf -- '-n 1 echo one\n-n 2 echo two\n' > config
    both configfile -configfile config
    echo localhost:4 > machines
    both machinefile -machinefile machines -n 2 echo hello
    both f_of_a_hostfile -f machines -n 2 echo hello
    both ranks_in_order -n 8 sh -c 'echo ${PMI_RANK:-$MPL_RANK} of ${PMI_SIZE:-$MPL_SIZE}'
    both local_ranks -n 4 sh -c 'echo ${MPI_LOCALRANKID:-$MPL_LOCAL_RANK} of ${MPI_LOCALNRANKS:-$MPL_LOCAL_SIZE}'
fi
check "a_rank_of_ours_does_not_take_itself_for_anothers" [ "$(PMI_RANK=7 PMIX_RANK=7 OMPI_COMM_WORLD_RANK=7 MPL_RANK=9 \
    "$launch" -n 1 sh -c 'echo $MPL_RANK$PMI_RANK$PMIX_RANK$OMPI_COMM_WORLD_RANK')" = 0 ]
run "$launch" -q -n 3 "$launch" -q -n 2 sh -c 'echo $MPL_RANK of $MPL_SIZE'
check "a_launch_in_a_launch_is_one_of_its_own" [ "$(sort out | uniq -c | tr -s ' ' | tr '\n' '|')" = " 3 0 of 2| 3 1 of 2|" ]
start "$launch" -q -n 2 "$launch" -q -n 2 sh -c 'echo > up.$PPID.$MPL_RANK; sleep 60'
wait_until 10 eval '[ "$(ls up.* | wc -l)" -eq 4 ]'
kill -KILL "$pid"
check "and_ends_with_the_outer_one" wait_until 4 none_marked
finish
