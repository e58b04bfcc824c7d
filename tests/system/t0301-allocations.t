#!/bin/bash
# Inside a job of a batch system plain mplaunch uses what was granted. The jobs are made of variables and files; ssh is a
# stand-in that starts the agent on this machine. A real Slurm is in t0304-slurm.t.
. "$(dirname "$0")/lib.sh"
mkdir bin
cp "$MPL_SRC/tests/system/stand-in-ssh" bin/ssh
export PATH=$T/bin:$PATH STAND_IN_LOG=$T/ssh

# hosts_of VARIABLE=VALUE... [-- OPTION...]: what the plan has, as "host host".
hosts_of () {
    local variables=()
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        variables+=("$1")
        shift
    done
    [ $# = 0 ] || shift
    run env "${variables[@]}" "$launch" --dry-run "$@" true
    awk 'NR > 1 { print $2 }' out | tr '\n' ' '
}
slurm=(SLURM_JOB_ID=7 "SLURM_JOB_NODELIST=n[08-09],gpu1" "SLURM_TASKS_PER_NODE=2(x2),1")

check "slurm" [ "$(hosts_of "${slurm[@]}")" = "n08 n08 n09 n09 gpu1 " ]
check "slurm_by_cpus_where_a_step_hides_the_tasks" \
    [ "$(hosts_of "${slurm[@]:0:2}" SLURM_TASKS_PER_NODE=1 'SLURM_JOB_CPUS_PER_NODE=4(x2),2' SLURM_CPUS_PER_TASK=2)" = "n08 n08 n09 n09 gpu1 " ]
step=(SLURM_JOB_ID=7 SLURM_JOB_NODELIST=a SLURM_TASKS_PER_NODE=1 SLURM_STEP_TASKS_PER_NODE=1)
check "a_step_of_one_task_sees_all_of_its_host" [ "$(hosts_of "${step[@]}" SLURM_JOB_CPUS_PER_NODE=3)" = "a a a " ]
printf 'a\nb\na\n' > nodes
check "pbs" [ "$(hosts_of PBS_NODEFILE=nodes)" = "a a b " ]
check "lsf_with_counts" [ "$(hosts_of 'LSB_MCPU_HOSTS=a 2 b 1')" = "a a b " ]
check "lsf_with_a_file" [ "$(hosts_of LSB_DJOB_HOSTFILE=nodes)" = "a a b " ]
check "lsf_with_names" [ "$(hosts_of 'LSB_HOSTS=a b a')" = "a a b " ]
printf 'a 2 all.q@a UNDEFINED\nb 1 all.q@b <NULL>\n' > pe
check "sge" [ "$(hosts_of PE_HOSTFILE=pe)" = "a a b " ]
check "hosts_that_are_named_win" [ "$(hosts_of PBS_NODEFILE=nodes -- -H c:2)" = "c c " ]
echo "d slots=1" > hostfile
check "so_does_a_hostfile" [ "$(hosts_of PE_HOSTFILE=pe -- --hostfile hostfile)" = "d " ]
printf 'launch: pbs\n' > c.yaml
check "a_cluster_file_may_leave_the_hosts_to_the_job" [ "$(hosts_of PBS_NODEFILE=nodes -- -f c.yaml)" = "a a b " ]
check "fewer_processes_take_the_first_hosts" [ "$(hosts_of "${slurm[@]}" -- -n 3)" = "n08 n08 n09 " ]
check "local_is_this_machine" [ "$(hosts_of "${slurm[@]}" -- --launch local -n 1)" = "$(hostname) " ]

# refused SENTENCE VARIABLE=VALUE... -- OPTION...: code 2, one line, nothing started.
refused () {
    local sentence=$1
    shift
    hosts_of "$@" > /dev/null
    [ "$code" = 2 ] && [ "$(wc -l < err)" = 1 ] && grep -qF "$sentence" err
}
check "another_host_than_slurms_is_refused" refused "the host a is not one of Slurm's job 7, which has n08, n09, gpu1" "${slurm[@]}" -- -H a
check "but_not_with_ssh" [ "$(hosts_of "${slurm[@]}" -- --launch ssh -H a)" = "a " ]
check "an_allocation_that_is_not_there_is_told" refused "this is no job of SGE, since PE_HOSTFILE is not set" PBS_NODEFILE=nodes -- --launch sge
check "of_the_cluster_file_too" refused "this is no job of PBS" -- -f c.yaml
check "a_malformed_list_is_named" refused "SLURM_JOB_NODELIST:1:2: this '[' has no ']'" SLURM_JOB_ID=7 'SLURM_JOB_NODELIST=n[1-' SLURM_TASKS_PER_NODE=1
check "a_malformed_count_too" refused "SLURM_TASKS_PER_NODE:1:3: this is no count" "${slurm[@]:0:2}" SLURM_TASKS_PER_NODE=1,x
printf 'a 2\nb two\n' > bad
check "and_a_line" refused "bad:2:3: the number of slots is 'two'" PE_HOSTFILE=bad
check "and_a_file_that_is_missing" refused "the file of PBS_NODEFILE is needed there" PBS_NODEFILE=missing
check "nobody_looks_when_hosts_are_named" [ "$(hosts_of PBS_NODEFILE=missing -- -H c)" = "c " ]

# Really started.
where='echo $MPL_RANK $MPL_NODE $HOSTNAME'
PBS_NODEFILE=nodes run "$launch" sh -c "$where"
check "a_job_of_pbs_runs_on_its_hosts" [ "$code:$(sort out | tr '\n' '|')" = "0:0 0 a|1 0 a|2 1 b|" ]
LSB_MCPU_HOSTS="a 1 b 2" run "$launch" sh -c "$where"
check "of_lsf_too" [ "$code:$(sort out | tr '\n' '|')" = "0:0 0 a|1 1 b|2 1 b|" ]
PE_HOSTFILE=pe run "$launch" --launch sge sh -c "$where"
check "of_sge_too" [ "$code:$(sort out | tr '\n' '|')" = "0:0 0 a|1 0 a|2 1 b|" ]
env "${slurm[@]}" "$launch" --launch ssh sh -c "$where" > out 2> err
check "of_slurm_with_ssh_too" [ "$(sort out | tr '\n' '|')" = "0 0 n08|1 0 n08|2 1 n09|3 1 n09|4 2 gpu1|" ]
check "without_a_word" [ ! -s err ]
PBS_NODEFILE=nodes run "$launch" "$MPL_BUILD/examples/wordcount" "$MPL_SRC/doc"
cp out there
run "$MPL_BUILD/examples/wordcount" "$MPL_SRC/doc"
check "a_pool_gives_the_result_of_one_host" eval '[ -s out ] && diff there out'

# A machine of the job is started on directly, and what is reached by srun says so.
printf '#!/bin/sh\necho "srun: error: Unable to create step for job 7: Invalid job id specified" >&2\nexit 1\n' > bin/srun
chmod +x bin/srun
run env "${slurm[@]}" SLURMD_NODENAME=n09 "$launch" -H n09 sh -c 'echo here'
check "what_slurm_calls_this_machine_needs_no_srun" [ "$code:$(cat out)" = 0:here ]
run env "${slurm[@]}" "$launch" true
check "what_srun_says_is_the_reason" eval '[ $code -eq 125 ] &&
    grep -qE "^mplaunch: the host (n08|n09|gpu1) cannot be reached: srun: error: Unable to create step for job 7" err'
printf '#!/bin/sh\necho "srun: error: n08: task 0: Exited with exit code 127" >&2\nexit 127\n' > bin/srun
run env "${slurm[@]}" "$launch" true
check "mpworker_that_is_missing_there_is_told" eval '[ $code -eq 125 ] && grep -q "nor in the PATH that srun gives there" err'
# An srun that does not come back is asked to take its step back before it is killed.
printf '#!/bin/sh\ntrap "echo > %s/cancelled; exit 1" TERM\nsleep 60 & wait\n' "$T" > bin/srun
start env "${slurm[@]}" SLURM_JOB_NODELIST=n08 SLURM_TASKS_PER_NODE=1 "$launch" true
wait_until 5 eval '[ -n "$(marked_as sleep)" ]'
kill -INT "$pid"
check "INT_ends_a_launch_that_hangs_in_srun" end_of "$pid" 5
check "and_its_srun_is_told" [ -e cancelled ]
for p in $(marked_as sleep); do kill -KILL "$p"; done
finish
