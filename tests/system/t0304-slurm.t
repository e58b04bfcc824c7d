#!/bin/bash
# A real Slurm over three hosts: plain mplaunch in a job uses what was granted, through srun, and Slurm's own accounting and
# cancelling work on it. Its time limit ends a job in the way of scancel, a minute later at the earliest, so that is not waited for.
. "$(dirname "$0")/lib.sh"
need_hosts 3
need_slurm
where='echo $MPL_RANK $(hostname) $MPL_NODE'
for i in 0 1 2 3 4 5; do echo "$i ${hosts[i / 2]} $((i / 2))"; done > right

# batch OPTION... : submits the script on standard input, and waits for the job's end; its output in batch.out.
batch () {
    { echo '#!/bin/sh'; cat; } > batch.sh
    rm -f batch.out
    run sbatch --wait -o batch.out "$@" batch.sh
}
batch -N 3 -n 6 --ntasks-per-node=2 <<< "$launch sh -c '$where'"
check "a_batch_script_runs_a_rank_on_every_slot" eval '[ $code -eq 0 ] && sort -n batch.out | diff right -'
batch -N 3 --exclusive <<< "$launch sh -c '$where' | wc -l; exit 7"
check "without_a_number_all_CPUs_are_used" [ "$(cat batch.out)" = 12 ]
check "and_the_job_has_the_scripts_code" [ "$code" = 7 ]
batch -N 3 -n 3 <<< "exec $launch sh -c 'echo out; echo err >&2; : > said.\$MPL_RANK; [ \$MPL_RANK = 2 ] || exec sleep 60
while [ ! -e said.0 ] || [ ! -e said.1 ]; do sleep 0.1; done; exit 9'"
check "a_rank_that_fails_is_the_jobs_code" [ "$code" = 9 ]
check "and_is_named_in_its_output" grep -q "rank 2 on ${hosts[2]} (process [0-9]*) ended with exit code 9" batch.out
check "where_everything_printed_is" [ "$(grep -c '^out$' batch.out):$(grep -c '^err$' batch.out)" = 3:3 ]

# From a machine that is no host of the job, and from a step that has all of one host's CPUs.
run salloc -Q -N 3 -n 6 --ntasks-per-node=2 "$launch" sh -c "$where"
check "salloc_runs_it_from_outside" eval '[ $code -eq 0 ] && sort -n out | diff right - && [ ! -s err ]'
run salloc -Q -N 3 -n 12 srun -N 1 -n 1 -c 4 "$launch" -ppn 2 -n 6 sh -c "$where"
check "a_step_that_has_all_CPUs_is_no_obstacle" eval '[ $code -eq 0 ] && sort -n out | diff right -'
run salloc -Q -N 1 -n 4 srun -n 1 "$launch" sh -c 'echo $MPL_RANK'
check "a_step_of_one_task_sees_all_of_its_host" eval '[ $code -eq 0 ] && sort -n out | diff <(seq 0 3) -'
SLURM_EXACT=1 SLURM_LABELIO=1 SLURM_CPU_BIND=verbose SLURM_UNBUFFEREDIO=0 SLURM_EXPORT_ENV=NONE MINE=x \
    run salloc -Q -N 3 -n 6 --ntasks-per-node=2 "$launch" sh -c "$where \$MINE"
check "variables_for_srun_change_nothing_and_the_users_arrive" eval '[ $code -eq 0 ] && sort -n out | diff <(sed "s/\$/ x/" right) -'
head -c 3000000 /dev/urandom > bytes
stdin=bytes run salloc -Q -N 2 -n 2 "$launch" --stdin 1 cat
check "input_and_output_arrive_byte_for_byte" cmp bytes out
run salloc -Q -N 2 -n 2 "$launch" -H "${hosts[2]}" true
check "a_host_that_was_not_granted_is_refused" eval '[ $code -eq 2 ] && grep -q "${hosts[2]} is not one of Slurm.s job" err'
run salloc -Q -N 1 -n 1 "$launch" --launch ssh sh -c "$where"
check "ssh_may_be_asked_for" [ "$code:$(cat out)" = "0:0 ${hosts[0]} 0" ]
run salloc -Q -N 1 -n 1 "$launch" --prefix /no/such true
check "no_mpworker_is_told" eval '[ $code -eq 125 ] && grep -q "the host ${hosts[0]} cannot be reached: there is no bin/mpworker under --prefix" err'

folders=(/usr/include "$MPL_SRC/doc" "$MPL_SRC/tests")
"$MPL_BUILD/examples/wordcount" "${folders[@]}" > right.words 2> /dev/null
batch -N 3 -n 6 --ntasks-per-node=2 <<< "$launch $MPL_BUILD/examples/wordcount ${folders[*]} 2> /dev/null"
check "the_word_count_of_three_hosts_is_that_of_one" eval '[ $code -eq 0 ] && [ -s right.words ] && diff right.words batch.out'
batch -N 3 -n 6 --ntasks-per-node=2 <<< "$launch $cases/far_data"
check "data_of_every_size_arrive" eval '[ $code -eq 0 ] && grep -qx "all right" batch.out'

# begin: a job of six that run for long and do not care for TERM, one of whom has started something in another session.
sleepers='trap "" TERM; [ $MPL_RANK = 3 ] && setsid sleep 301 & sleep 300'
begin () {
    { echo '#!/bin/sh'; echo "$launch sh -c '$sleepers'"; } > batch.sh
    job=$(sbatch --parsable -N 3 -n 6 --ntasks-per-node=2 -o batch.out batch.sh)
}
are_up () { [ "$(marked_as sleep | wc -l)" = 7 ]; }
begin
check "a_long_job_is_up" wait_until 10 are_up
check "squeue_shows_its_steps" [ "$(squeue -h -s -j "$job" -o '%j %N' | grep mplaunch | sort | tr '\n' '|')" = "mplaunch ${hosts[1]}|mplaunch ${hosts[2]}|" ]
scancel "$job"
check "scancel_leaves_nothing" wait_until 5 none_marked
check "and_the_job_is_over" wait_until 5 eval '[ -z "$(squeue -h)" ]'
begin
wait_until 10 are_up
kill -KILL "$(marked_as mplaunch | head -1)"
check "mplaunch_killed_leaves_nothing" wait_until 5 none_marked
wait_until 5 eval '[ -z "$(squeue -h)" ]'
begin
wait_until 10 are_up
scancel "$job.0"
# That is KILL to all at once, agent and ranks, and what Slurm finds of them without control groups are children of children.
check "a_step_cancelled_alone_ends_the_launch" wait_until 8 none_marked
check "which_names_the_host" grep -qE "(the host|on) (${hosts[1]}|${hosts[2]})[ :]" batch.out
wait_until 5 eval '[ -z "$(squeue -h)" ]'

# On a terminal salloc gives what it runs a group of its own, to which Ctrl-C goes.
start salloc -Q -N 3 -n 3 "$launch" sleep 60
check "three_sleep" wait_until 10 eval '[ "$(marked_as sleep | wc -l)" = 3 ]'
kill -INT "$(marked_as mplaunch)"
check "Ctrl_C_ends_a_launch_in_salloc" end_of "$pid" 8
check "with_130" [ "${code:-}" = 130 ]
check "and_gives_its_hosts_back" wait_until 5 eval '[ -z "$(squeue -h)" ]'
finish
